package figures_test

import (
	"fmt"
	"testing"
	"time"

	"bkp/internal/engine/figures"
	"bkp/internal/records/catalog"
	"bkp/providers"
)

// values are the samples by their name and labels.
func values(t *testing.T, s figures.Standing) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	for _, f := range figures.Of(s).Families {
		for _, sample := range f.Samples {
			key := f.Name
			for _, l := range sample.Labels {
				key += " " + l.Name + "=" + l.Value
			}
			if _, twice := out[key]; twice {
				t.Errorf("%s is there twice", key)
			}
			out[key] = sample.Value
		}
	}
	return out
}

func backup(at time.Time, status catalog.Status, archives ...string) catalog.Entry {
	e := catalog.Entry{Status: status, Manifest: providers.Manifest{ID: providers.NewBackupID("prod", at), Created: at, LockWindow: 300 * time.Millisecond}}
	for _, a := range archives {
		e.Manifest.Stored = append(e.Manifest.Stored, providers.Stored{Archive: a})
	}
	return e
}

// TestFiguresOfAnInstance: the time of the last success is that of the newest complete
// backup, whatever later runs came to, and copies are counted by archive.
func TestFiguresOfAnInstance(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	damaged := backup(at.Add(-24*time.Hour), catalog.Complete, "archive.tar.a", "archive.tar.b")
	damaged.Damaged = []catalog.Damage{{Archive: "archive.tar.b"}}
	got := values(t, figures.Standing{
		Instance: "prod", URL: "https://b.example", Tool: "1.0", Shelves: []string{"archive.tar.a", "archive.tar.b", "archive.tar.empty"},
		Backups: []catalog.Entry{backup(at.Add(time.Hour), catalog.Captured), backup(at, catalog.Complete, "archive.tar.a"), damaged},
		Last: map[string]catalog.Run{"backup": {
			Began: at.Add(2 * time.Hour), Ended: at.Add(2*time.Hour + time.Minute), Window: 5 * time.Second, Warnings: 2,
			Steps: []catalog.RunStep{{Address: "home.a.b", Phase: "prepare", Took: time.Second}, {Address: "home.a.b", Phase: "prepare", Took: 2 * time.Second}},
		}},
		MaxProofAge: time.Hour, MayBeLocked: true,
	})
	for key, want := range map[string]float64{
		"bkp_last_success_timestamp_seconds":                                         1_800_000_000,
		"bkp_lock_window_seconds":                                                    0.3,
		"bkp_last_run_success operation=backup":                                      0,
		"bkp_last_run_warnings operation=backup":                                     2,
		"bkp_last_run_lock_window_seconds operation=backup":                          5,
		"bkp_last_run_duration_seconds operation=backup":                             60,
		"bkp_last_run_step_seconds operation=backup component=home.a.b step=prepare": 3,
		"bkp_archive_backups archive=archive.tar.a":                                  2,
		"bkp_archive_backups archive=archive.tar.b":                                  1,
		"bkp_archive_damaged_backups archive=archive.tar.a":                          0,
		"bkp_archive_damaged_backups archive=archive.tar.b":                          1,
		"bkp_archive_newest_timestamp_seconds archive=archive.tar.b":                 1_800_000_000 - 24*3600,
		"bkp_archive_newest_timestamp_seconds archive=archive.tar.empty":             0,
		"bkp_backups_not_stored":                                                     1,
		"bkp_last_proven_restore_timestamp_seconds":                                  0,
		"bkp_proven_restore_max_age_seconds":                                         3600,
		"bkp_may_be_locked":                                                          1,
		fmt.Sprintf("bkp_info version=%s url=%s", "1.0", "https://b.example"):        1,
	} {
		if v, ok := got[key]; !ok || v != want {
			t.Errorf("%s is %v, %v; want %v", key, v, ok, want)
		}
	}
}

// TestNothingIsAlarming: an instance that was never backed up has figures, too.
func TestNothingIsAlarming(t *testing.T) {
	got := values(t, figures.Standing{Instance: "prod"})
	for _, key := range []string{"bkp_last_success_timestamp_seconds", "bkp_last_proven_restore_timestamp_seconds", "bkp_may_be_locked"} {
		if v, ok := got[key]; !ok || v != 0 {
			t.Errorf("%s is %v, %v", key, v, ok)
		}
	}
	if _, ok := got["bkp_lock_window_seconds"]; ok {
		t.Error("a lock window that never was")
	}
}

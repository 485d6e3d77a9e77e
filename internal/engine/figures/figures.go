// Package figures turns how an instance stands into figures for monitoring. It is
// pure: records in, figures out.
//
// It leaves out where the figures go (metrics) and when (the engine).
package figures

import (
	"maps"
	"slices"
	"time"

	"bkp/internal/records/catalog"
	"bkp/providers"
)

// Standing is all that the figures of an instance are made of.
type Standing struct {
	Instance, URL, Tool string
	// Shelves are the addresses of the archives that may hold backups.
	Shelves []string
	// Backups are those of the instance on the list, the newest first.
	Backups []catalog.Entry
	// Proven is the last drill that proved a backup, nil without one; MaxProofAge how
	// old it may get, 0 for any age.
	Proven      *catalog.Drill
	MaxProofAge time.Duration
	// Last are the last runs by their kind.
	Last map[string]catalog.Run
	// MayBeLocked is set while a run may have left the instance locked.
	MayBeLocked bool
}

// Of are the figures. Times of what never was are 0, so that an age worked out from
// them is alarming.
func Of(s Standing) providers.Measures {
	families := slices.Concat([]providers.Family{
		one("bkp_info", "Version of bkp and URL of the instance.", 1, providers.Label{Name: "version", Value: s.Tool}, providers.Label{Name: "url", Value: s.URL}),
		one("bkp_may_be_locked", "1 while a run may have left the instance locked.", flag(s.MayBeLocked)),
	}, s.runs(), s.newest(), s.archives(), s.proof())
	return providers.Measures{
		Instance: s.Instance, URL: s.URL,
		Families: slices.DeleteFunc(families, func(f providers.Family) bool { return len(f.Samples) == 0 }),
	}
}

// runs are the last runs, successful or not.
func (s Standing) runs() []providers.Family {
	ended := family("bkp_last_run_timestamp_seconds", "When the last run of each kind ended, whatever became of it.")
	took := family("bkp_last_run_duration_seconds", "How long the last run of each kind took.")
	good := family("bkp_last_run_success", "1 if the last run of each kind did all it should.")
	warned := family("bkp_last_run_warnings", "Warnings of the last run of each kind.")
	window := family("bkp_last_run_lock_window_seconds", "How long the last run locked users out, also if it failed.")
	steps := family("bkp_last_run_step_seconds", "How long the steps of the last run of each kind took.")
	for _, kind := range slices.Sorted(maps.Keys(s.Last)) {
		r, of := s.Last[kind], providers.Label{Name: "operation", Value: kind}
		ended.add(unix(r.Ended), of)
		took.add(r.Ended.Sub(r.Began).Seconds(), of)
		good.add(flag(r.Succeeded), of)
		warned.add(float64(r.Warnings), of)
		if r.Window > 0 {
			window.add(r.Window.Seconds(), of)
		}
		total := map[catalog.RunStep]time.Duration{} // a sample must be there once
		for _, step := range r.Steps {
			total[catalog.RunStep{Address: step.Address, Phase: step.Phase}] += step.Took
		}
		for _, step := range r.Steps {
			key := catalog.RunStep{Address: step.Address, Phase: step.Phase}
			if t, first := total[key]; first {
				steps.add(t.Seconds(), of, providers.Label{Name: "component", Value: step.Address}, providers.Label{Name: "step", Value: step.Phase})
				delete(total, key)
			}
		}
	}
	return plain(ended, took, good, warned, window, steps)
}

// newest are the figures of the last good backup. They stay when a later run fails.
func (s Standing) newest() []providers.Family {
	last := family("bkp_last_success_timestamp_seconds", "When the newest complete backup was made; 0 if none was ever made.")
	i := slices.IndexFunc(s.Backups, func(e catalog.Entry) bool { return e.Status == catalog.Complete })
	if i < 0 {
		last.add(0)
		return plain(last)
	}
	m := s.Backups[i].Manifest
	last.add(unix(m.Created))
	window := family("bkp_lock_window_seconds", "How long users were locked out for the newest complete backup.")
	window.add(m.LockWindow.Seconds())
	parts := family("bkp_lock_window_part_seconds", "The parts of that lock window; captures run at the same time.")
	for _, name := range slices.Sorted(maps.Keys(m.Window)) {
		parts.add(m.Window[name].Seconds(), providers.Label{Name: "part", Value: name})
	}
	size := family("bkp_backup_bytes", "Size of the newest complete backup, unpacked, by component.")
	files := family("bkp_backup_files", "Files of the newest complete backup, by component.")
	repositories := family("bkp_backup_repositories", "Repositories in the newest complete backup.")
	changedFiles := family("bkp_changed_files", "Files that were copied under the lock.")
	changedBytes := family("bkp_changed_bytes", "Bytes that were copied under the lock.")
	for _, a := range m.Artifacts {
		of := providers.Label{Name: "component", Value: a.Address}
		if p, ok := m.Part(a.Address); ok {
			size.add(float64(p.Bytes), of)
			files.add(float64(p.Files), of)
		}
		if a.Repositories != nil {
			repositories.add(float64(*a.Repositories), of)
		}
		if a.Change != nil {
			changedFiles.add(float64(a.Change.Files), of)
			changedBytes.add(float64(a.Change.Bytes), of)
		}
	}
	stored := family("bkp_backup_stored_bytes", "Size of the newest complete backup where it is stored, by archive.")
	for _, st := range m.Stored {
		stored.add(float64(st.Size()), providers.Label{Name: "archive", Value: st.Archive})
	}
	return plain(last, window, parts, size, files, repositories, changedFiles, changedBytes, stored)
}

// archives are the copies and their state.
func (s Standing) archives() []providers.Family {
	count := family("bkp_archive_backups", "Backups in the archive.")
	newest := family("bkp_archive_newest_timestamp_seconds", "When the newest backup in the archive was made; 0 if none was ever made.")
	damaged := family("bkp_archive_damaged_backups", "Backups in which the last verification of the archive found damage.")
	for _, address := range s.Shelves {
		n, bad, last := 0, 0, time.Time{}
		for _, e := range s.Backups {
			if _, ok := e.Manifest.In(address); !ok {
				continue
			}
			n++
			if e.Manifest.Created.After(last) {
				last = e.Manifest.Created
			}
			if e.DamagedIn(address) {
				bad++
			}
		}
		of := providers.Label{Name: "archive", Value: address}
		count.add(float64(n), of)
		newest.add(unix(last), of)
		damaged.add(float64(bad), of)
	}
	pending := family("bkp_backups_not_stored", "Backups that were captured, and are not stored yet.")
	n := 0
	for _, e := range s.Backups {
		if e.Status == catalog.Captured {
			n++
		}
	}
	pending.add(float64(n))
	return plain(count, newest, damaged, pending)
}

func (s Standing) proof() []providers.Family {
	at := family("bkp_last_proven_restore_timestamp_seconds", "When a backup was last proven to restore; 0 if none ever was.")
	limit := family("bkp_proven_restore_max_age_seconds", "How old the proof may get; 0 is any age.")
	took := family("bkp_restore_seconds", "How long the last proven restore took.")
	limit.add(s.MaxProofAge.Seconds())
	if s.Proven == nil {
		at.add(0)
		return plain(at, limit)
	}
	at.add(unix(s.Proven.At))
	took.add(s.Proven.Duration.Seconds())
	return plain(at, limit, took)
}

// growing is a family that gets its samples.
type growing struct{ providers.Family }

func family(name, help string) *growing { return &growing{providers.Family{Name: name, Help: help}} }

func (g *growing) add(value float64, labels ...providers.Label) {
	g.Samples = append(g.Samples, providers.Sample{Labels: labels, Value: value})
}

func one(name, help string, value float64, labels ...providers.Label) providers.Family {
	f := family(name, help)
	f.add(value, labels...)
	return f.Family
}

func plain(all ...*growing) []providers.Family {
	var out []providers.Family
	for _, g := range all {
		out = append(out, g.Family)
	}
	return out
}

func flag(set bool) float64 {
	if set {
		return 1
	}
	return 0
}

// unix is a time in seconds, 0 for none.
func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

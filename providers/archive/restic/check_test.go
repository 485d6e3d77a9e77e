package restic

import (
	"strings"
	"testing"
	"time"

	"bkp/providers"
)

// TestWhatIsExpectedToBeNew is what changed since the last backup, and dumps as a whole.
func TestWhatIsExpectedToBeNew(t *testing.T) {
	at := time.Date(2026, 11, 29, 2, 0, 0, 0, time.UTC)
	home := &providers.Recency{At: at}
	home.Add(at.Add(-30*24*time.Hour), 5_000_000_000)
	home.Add(at.Add(-3*time.Hour), 40_000_000)
	last := providers.Manifest{ID: "prod-20261128T020000Z", Created: at.Add(-24 * time.Hour)}
	for name, c := range map[string]struct {
		estimate providers.Estimate
		want     int64
		says     string
	}{
		"a home and a dump": {providers.Estimate{Bytes: 5_140_000_000, Recent: home}, 140_000_000, "140 MB of 5.1 GB, the files that are new or packed anew since prod-20261128T020000Z"},
		"nobody looked":     {providers.Estimate{Bytes: 5_000_000_000}, 0, ""},
	} {
		r := providers.Report{Does: map[providers.Verb]string{}}
		need, _ := (&archive{}).expectNew(&r, c.estimate, last)
		if does := r.Does[providers.Store]; need != c.want || !strings.HasSuffix(does, c.says) || (does == "") != (c.says == "") {
			t.Errorf("%s: %d, %q", name, need, does)
		}
	}
}

package retention_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"bkp/internal/records/retention"
)

// TestTheRulesAreThoseOfRestic: for the same times, restic's own forget keeps the
// same backups.
func TestTheRulesAreThoseOfRestic(t *testing.T) {
	if _, err := exec.LookPath("restic"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("restic is not installed")
	}
	const seed = 20261128
	past := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC) // restic goes by the clock
	r := rand.New(rand.NewPCG(seed, seed))              // the same cases every time
	repository := newRepository(t)
	var items []retention.Item
	for len(items) < 16 {
		// Clusters of hours, days, weeks and years.
		back := time.Duration(r.ExpFloat64()*float64([]int{2, 30, 300, 4000}[r.IntN(4)])) * time.Hour
		at := past.Add(-back).Truncate(time.Second)
		if !slices.ContainsFunc(items, func(o retention.Item) bool { return o.Time.Equal(at) }) {
			items = append(items, retention.Item{ID: repository.backup(t, at), Time: at})
		}
	}
	for range 14 {
		p := retention.Policy{Last: r.IntN(4), Hourly: r.IntN(4), Daily: r.IntN(5), Weekly: r.IntN(5), Monthly: r.IntN(5), Yearly: r.IntN(3)}
		if r.IntN(2) == 0 {
			p.Within = retention.Period{Months: r.IntN(3), Days: r.IntN(20), Hours: r.IntN(40)}
		}
		if p.Empty() {
			continue
		}
		var kept []string
		decisions, err := retention.Decide(p, items, past)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range decisions {
			if d.Keep {
				kept = append(kept, d.ID)
			}
		}
		want := repository.forget(t, p)
		slices.Sort(kept)
		slices.Sort(want)
		if !slices.Equal(kept, want) {
			t.Errorf("%s: kept %d, restic keeps %d\n%q\n%q", p, len(kept), len(want), kept, want)
		}
	}
}

// repository is one of restic, without a password worth the name.
type repository struct{ dir string }

func newRepository(t *testing.T) repository {
	t.Helper()
	r := repository{t.TempDir()}
	r.run(t, "", "init")
	return r
}

func (r repository) run(t *testing.T, stdin string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "restic", append([]string{"--no-cache", "--repo", r.dir, "--json"}, args...)...)
	cmd.Env = append(os.Environ(), "RESTIC_PASSWORD=x", "TZ=UTC", "GOMAXPROCS=1")
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("restic %q: %v: %s", args, err, stderr.Bytes())
	}
	return out
}

// backup makes a snapshot of that time, and returns its id.
func (r repository) backup(t *testing.T, at time.Time) string {
	t.Helper()
	out := r.run(t, "x", "backup", "--stdin", "--host", "x", "--time", at.UTC().Format(time.DateTime))
	for line := range bytes.Lines(out) {
		var said struct {
			ID string `json:"snapshot_id"`
		}
		if json.Unmarshal(line, &said) == nil && said.ID != "" {
			return said.ID[:8]
		}
	}
	t.Fatalf("restic names no snapshot: %s", out)
	return ""
}

// forget returns the short ids of what restic would keep.
func (r repository) forget(t *testing.T, p retention.Policy) []string {
	t.Helper()
	args := []string{"forget", "--dry-run", "--group-by", "host"}
	for name, n := range map[string]int{"last": p.Last, "hourly": p.Hourly, "daily": p.Daily, "weekly": p.Weekly, "monthly": p.Monthly, "yearly": p.Yearly} {
		if n > 0 {
			args = append(args, "--keep-"+name, fmt.Sprint(n))
		}
	}
	if !p.Within.Zero() {
		args = append(args, "--keep-within", p.Within.String())
	}
	out := r.run(t, "", args...)
	var groups []struct {
		Keep []struct {
			ID string `json:"short_id"`
		} `json:"keep"`
	}
	if err := json.Unmarshal(out, &groups); err != nil || len(groups) != 1 {
		t.Fatalf("restic says %s: %v", out, err)
	}
	var kept []string
	for _, s := range groups[0].Keep {
		kept = append(kept, s.ID)
	}
	return kept
}

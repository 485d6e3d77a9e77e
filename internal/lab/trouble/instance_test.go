package trouble_test

import (
	"strings"
	"testing"

	"bkp/internal/cli"
)

// TestInstanceRestartsWhileLocked: the lock is gone, so whatever was captured
// is thrown away, and it is said why.
func TestInstanceRestartsWhileLocked(t *testing.T) {
	r := newRig(t)
	for _, m := range []moment{
		{name: "before the start", request: "POST /mvc/admin/backups", nth: 1},
		{name: "drain", request: "GET /mvc/maintenance", nth: 1},
		{name: "capture", phase: "capture"},
		{name: "after the capture", request: "GET /mvc/maintenance", nth: 2},
	} {
		t.Run(m.name, func(t *testing.T) {
			before := r.listed(t)
			code, said := r.at(t, m, func(*process) { r.server.Restart() })
			r.free(t, said)
			if code != cli.ExitFailed {
				t.Fatalf("exit code %d:\n%s", code, said)
			}
			if m.name != "before the start" {
				for _, want := range []string{"the lock was lost while it was held", "not consistent and was discarded"} {
					if !strings.Contains(said, want) {
						t.Errorf("it does not say %q:\n%s", want, said)
					}
				}
			}
			if after := r.listed(t); after != before {
				t.Errorf("%d backups are listed, %d were before", after, before)
			}
		})
	}
	r.sound(t)
}

// listed is how many backups there are.
func (r *rig) listed(t *testing.T) int {
	t.Helper()
	r.configure(t)
	code, said := r.run(t, "list", "--json")
	if code != 0 {
		t.Fatalf("list ended with %d:\n%s", code, said)
	}
	return strings.Count(said, `"event":"backup"`)
}

package trouble_test

import (
	"strings"
	"testing"

	"bkp/internal/cli"
)

// TestDatabaseInTrouble: the server is restarted, the session that holds the
// snapshot is ended, or the server is stopped for good, at every phase.
func TestDatabaseInTrouble(t *testing.T) {
	r := newRig(t)
	restart := func() { must(t, r.pg.Restart(t.Context())) }
	terminate := func() {
		must(t, r.pg.Exec(t.Context(), "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'bitbucket'"))
	}
	stop := r.pg.Halt
	cases := []struct {
		name string
		at   moment
		do   func()
		// want are the exit codes that are right.
		want []int
	}{
		{"restarted during the live pass", moment{phase: "prepare"}, restart, []int{cli.ExitDone, cli.ExitFailed}},
		{"session ended during the live pass", moment{phase: "prepare"}, terminate, []int{cli.ExitDone, cli.ExitFailed}},
		{"restarted while warming", moment{request: "GET /mvc/maintenance/lock", nth: 2}, restart, []int{cli.ExitDone, cli.ExitFailed}},
		{"restarted under the lock", moment{request: "POST /mvc/maintenance/lock", nth: 1}, restart, []int{cli.ExitDone, cli.ExitFailed}},
		{"session ended under the lock", moment{request: "GET /mvc/maintenance", nth: 1}, terminate, []int{cli.ExitDone, cli.ExitFailed}},
		{"session ended after the capture", moment{request: "DELETE /mvc/maintenance/lock", nth: 1}, terminate, []int{cli.ExitLost}},
		{"restarted after the capture", moment{request: "DELETE /mvc/maintenance/lock", nth: 1}, restart, []int{cli.ExitLost}},
		{"session ended during the dump", moment{phase: "finish"}, terminate, []int{cli.ExitLost, cli.ExitDone}},
		{"stopped under the lock", moment{request: "GET /mvc/maintenance", nth: 1}, stop, []int{cli.ExitFailed}},
		{"stopped after the capture", moment{request: "DELETE /mvc/maintenance/lock", nth: 1}, stop, []int{cli.ExitLost}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			before := r.listed(t)
			code, said := r.at(t, c.at, func(*process) { c.do() })
			r.free(t, said)
			right := false
			for _, want := range c.want {
				right = right || code == want
			}
			if !right {
				t.Errorf("exit code %d, want one of %v:\n%s", code, c.want, said)
			}
			if code == cli.ExitLost && !strings.Contains(said, "no backup was made") {
				t.Errorf("it does not say that the backup is lost:\n%s", said)
			}
			if after := r.listed(t); code != cli.ExitDone && after != before {
				t.Errorf("%d backups are listed, %d were before", after, before)
			}
			if strings.HasPrefix(c.name, "stopped") {
				restart()
			}
		})
	}
	r.sound(t)
}

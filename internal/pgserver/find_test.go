package pgserver

import "testing"

func TestVersionIsReadFromTheFolder(t *testing.T) {
	for bin, want := range map[string]int{
		"/usr/lib/postgresql/15/bin": 150, "/usr/lib/postgresql/9.6/bin": 96, "/usr/pgsql-16/bin": 160,
		"/usr/lib/postgresql17/bin": 170, "/opt/bin": 0,
	} {
		if got := version(bin); got != want {
			t.Errorf("%s: %d", bin, got)
		}
	}
}

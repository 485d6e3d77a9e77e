package systemd_test

import (
	"strings"
	"testing"

	"bkp/internal/lab/systemd"
)

// TestBedSystem starts a unit whose sandbox is in force, and returns the exit code.
func TestBedSystem(t *testing.T) {
	const script = `cat /proc/1/comm
systemctl list-units --failed --no-legend --plain
systemd-run --quiet --wait --pipe -p ProtectSystem=full touch /usr/x && echo unprotected
systemd-run --quiet --wait --pipe touch /usr/x && echo started
exit 7`
	out, code, err := systemd.New(t).Run(t.Context(), script)
	if err != nil {
		t.Fatal(err)
	}
	if want := "systemd\n/usr/bin/touch: cannot touch '/usr/x': Read-only file system\nstarted\n"; code != 7 || strings.TrimSpace(out) != strings.TrimSpace(want) {
		t.Errorf("exit code %d, output:\n%s", code, out)
	}
}

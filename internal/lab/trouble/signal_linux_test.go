package trouble_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"bkp/internal/cli"
)

// family returns a process and all that it started, and the guardian, which is
// in a session of its own: what systemd finds in a unit.
func family(pid int) []int {
	pids := []int{pid}
	files, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	for _, f := range files {
		b, _ := os.ReadFile(f)
		for _, field := range strings.Fields(string(b)) {
			if child, err := strconv.Atoi(field); err == nil {
				pids = append(pids, family(child)...)
			}
		}
	}
	return pids
}

// TestSignalsAtEveryPhase: Ctrl-C once and twice, systemd's SIGTERM to bkp
// alone and to everything it started, and a terminal that goes away.
func TestSignalsAtEveryPhase(t *testing.T) {
	r := newRig(t)
	signal := func(s ...syscall.Signal) func(*process) {
		return func(p *process) {
			for _, one := range s {
				_ = p.cmd.Process.Signal(one)
			}
		}
	}
	kinds := map[string]func(*process){
		"Ctrl-C":           signal(syscall.SIGINT),
		"Ctrl-C twice":     signal(syscall.SIGINT, syscall.SIGINT),
		"SIGTERM, process": signal(syscall.SIGTERM),
		"SIGHUP":           signal(syscall.SIGHUP),
		"SIGTERM, control group": func(p *process) { // the default of systemd
			for _, pid := range family(p.cmd.Process.Pid) {
				_ = syscall.Kill(pid, syscall.SIGTERM)
			}
		},
	}
	runs, interrupted := 0, 0
	names := slices.Sorted(maps.Keys(kinds))
	for i, m := range moments {
		t.Run(m.name, func(t *testing.T) {
			for k, kind := range names {
				do := kinds[kind]
				if !sampled(i+k, 2) {
					continue
				}
				runs++
				t.Run(kind, func(t *testing.T) {
					code, said := r.at(t, m, do)
					r.free(t, said)
					// How late the signal is noticed depends on the machine.
					switch code {
					case cli.ExitDone:
					case cli.ExitFailed, cli.ExitAfterCapture, cli.ExitLost:
						interrupted++
					default:
						t.Errorf("exit code %d:\n%s", code, said)
					}
					if code != cli.ExitDone && !strings.Contains(said, "interrupted") && !strings.Contains(said, "signal") {
						t.Errorf("it does not say why:\n%s", said)
					}
				})
			}
		})
	}
	t.Logf("%d of %d runs were interrupted", interrupted, runs)
	if interrupted < runs/2 {
		t.Error("most signals had no effect")
	}
	r.sound(t)
}

// TestWithoutInputAndOutput: started with all three streams closed, as some
// schedulers do.
func TestWithoutInputAndOutput(t *testing.T) {
	r := newRig(t)
	r.configure(t)
	cmd := r.command(t.Context(), "")
	cmd.Path, cmd.Args = "/bin/sh", []string{"sh", "-c", "exec bkp apply --auto-approve <&- >&- 2>&-"}
	must(t, cmd.Run())
	r.free(t, "")
	r.sound(t)
}

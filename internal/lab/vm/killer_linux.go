package vm

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Killer stands in the way of tools, and kills whoever calls one at a step: before
// the tool did anything, or after it was done.
type Killer struct{ dir string }

// NewKiller stands in the way of tools that are on PATH. Calls whose first word is
// one of harmless do not count: they only look.
func NewKiller(t testing.TB, harmless []string, tools ...string) Killer {
	t.Helper()
	k := Killer{dir: t.TempDir()}
	for _, tool := range tools {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		script := fmt.Sprintf(`#!/bin/sh
case "$1" in %[4]s) exec %[3]s "$@";; esac
d=%[1]s
n=$(cat $d/calls); echo $((n + 1)) > $d/calls
echo "%[2]s $*" >> $d/log
step=$(cat $d/step)
[ $step = $((2 * n)) ] && { kill -9 $PPID; exit 1; }
%[3]s "$@"; rc=$?
[ $step = $((2 * n + 1)) ] && kill -9 $PPID
exit $rc
`, quote(k.dir), tool, quote(path), strings.Join(append([]string{"-"}, harmless...), "|"))
		if err := os.WriteFile(filepath.Join(k.dir, tool), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

// Run runs a command whose tools kill it at a step, and reports whether one did. A
// step is half of a call: even before it, odd after it.
func (k Killer) Run(t testing.TB, step int, cmd *exec.Cmd) (killed bool) {
	t.Helper()
	for name, text := range map[string]string{"calls": "0", "step": strconv.Itoa(step), "log": ""} {
		if err := os.WriteFile(filepath.Join(k.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, "PATH="+k.dir+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signal() == syscall.SIGKILL {
			return true
		}
	}
	if err != nil {
		t.Fatalf("step %d (%s): %v\n%s", step, k.Last(t), err, out)
	}
	return false
}

// Last is the last call that the command made.
func (k Killer) Last(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(k.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

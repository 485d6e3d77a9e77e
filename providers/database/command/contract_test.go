//go:build unix

package command

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"bkp/internal/host"
	"bkp/providers"
	"bkp/providers/command"
	"bkp/providers/providertest"
)

// server is a script whose database is the file LIVE. It dumps under the lock, or
// with the argument "later" copies the state there and dumps it in finish.
const server = `#!/bin/sh
set -eu
made=$BKP_WORK_DIR/$BKP_BACKUP
to=${BKP_TARGET:-$LIVE}
dump() { mkdir -p "$made.dump" && cp "$1" "$made.dump/dump" && echo '{"tree": "'"$made.dump"'"}'; }
case $BKP_VERB in
check) test -r "$LIVE" && echo '{"facts": {"version": "1"}, "estimate": {"bytes": 1}}' ;;
prepare) rm -rf "$made".* ;;
capture)
	test "${1-}" = later || { dump "$LIVE"; exit; }
	cp "$LIVE" "$made.point" && echo '{"ref": {"point": "'"$made.point"'"}}'
	;;
finish) dump "$BKP_REF_point" ;;
discard) rm -rf "$made".* ;;
check_restore) test ! -e "$to" || echo '{"findings": [{"severity": "error", "summary": "database is there", "detail": "'"$to"'", "remedy": "drop it"}]}' ;;
restore)
	test ! -e "$to" || { echo "$to is there" >&2; exit 73; }
	cp "$BKP_TREE/dump" "$to.part" && mv "$to.part" "$to"
	;;
esac
`

func TestContract(t *testing.T) {
	for name, mode := range map[string]string{"dumped under the lock": "at once", "dumped after it": "later"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			providertest.Run(t, func(t *testing.T) providertest.Harness { return harness(t, mode) })
		})
	}
}

func harness(t *testing.T, mode string) providertest.Harness {
	t.Helper()
	dir := t.TempDir()
	tool, live := filepath.Join(dir, "server"), filepath.Join(dir, "live")
	changes := 0
	write := func(t *testing.T, path string) {
		changes++
		if err := os.WriteFile(path, []byte("state "+strconv.Itoa(changes)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(t, live)
	if err := os.WriteFile(tool, []byte(server), 0o700); err != nil {
		t.Fatal(err)
	}
	call := command.Call{Command: []string{tool, mode}, Timeout: time.Minute}
	c := Config{Commands: command.Defaults()}
	c.Environment = map[string]string{"LIVE": live}
	c.Capture.Call, c.Discard.Call = call, call
	c.Check, c.CheckRestore = &command.Quick{Call: call}, &command.Quick{Call: call}
	c.Prepare, c.Restore = &command.Long{Call: call}, &command.Long{Call: call}
	if mode == "later" {
		c.Finish = &command.Long{Call: call}
	}
	env := providers.Env{Address: "database.command.x", WorkDir: filepath.Join(dir, "work"), Host: &host.Host{}}
	newStrategy := func(t *testing.T) providers.Strategy {
		s, err := open(c, env)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	return providertest.Harness{
		Prepares: true,
		New:      newStrategy,
		Mutate:   func(t *testing.T) { write(t, live) },
		State:    func(t *testing.T) map[string]string { return state(t, live) },
		Kept: func(t *testing.T) map[string]string {
			if _, err := os.Lstat(env.WorkDir); errors.Is(err, os.ErrNotExist) {
				return nil
			}
			return providertest.Tree(t, env.WorkDir)
		},
		Target: func(t *testing.T) providertest.Target {
			to := filepath.Join(t.TempDir(), "restored")
			r, err := newStrategy(t).Restorer(to)
			if err != nil {
				t.Fatal(err)
			}
			return providertest.Target{
				Restorer: r,
				State:    func(t *testing.T) map[string]string { return state(t, to) },
				Occupy:   func(t *testing.T) { write(t, to) },
			}
		},
	}
}

func state(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"live": string(text)}
}

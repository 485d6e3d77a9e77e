package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"bkp/internal/records/journal"
	"bkp/providers"
)

// stored describes what is in a script's state folder and among its archives.
func stored(ts *testscript.TestScript) map[string]string {
	out := map[string]string{}
	for _, dir := range []string{"state", "archives"} {
		root := ts.MkAbs(dir)
		ts.Check(filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if d != nil && d.IsDir() && path == ts.MkAbs("state/catalog/runs") {
				return filepath.SkipDir // how the last run ended is noted, whatever it was
			}
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			out[path] = fmt.Sprintf("%x", sha256.Sum256(b))
			return err
		}))
	}
	return out
}

// cmdSnapshot remembers what is stored, under a name, and cmdSame expects it to
// be the same now.
func cmdSnapshot(ts *testscript.TestScript, neg bool, args []string) {
	b, err := json.Marshal(stored(ts))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

func cmdSame(ts *testscript.TestScript, neg bool, args []string) {
	var before map[string]string
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &before))
	if diff := cmp.Diff(before, stored(ts)); diff != "" {
		ts.Fatalf("what is stored has changed:\n%s", diff)
	}
}

// cmdExitCode runs a command and expects its exit code: exitcode 3 bkp status.
func cmdExitCode(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if (got == want) == neg {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// cmdReserve lets somebody else hold the ids of an instance in a destination
// for some seconds from now on: reserve archives prod 30.
func cmdReserve(ts *testscript.TestScript, neg bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	seconds, err := strconv.Atoi(args[2])
	ts.Check(err)
	now := time.Now() // once: a second that begins in between would be left out
	for n := range seconds {
		id := providers.NewBackupID(args[1], now.Add(time.Duration(n)*time.Second))
		err := os.Symlink("bkp:elsewhere:/state", filepath.Join(dir, "."+string(id)+".reserved"))
		if !errors.Is(err, os.ErrExist) {
			ts.Check(err)
		}
	}
}

// cmdTaken expects an id that is later than all that somebody else holds, and
// stored.
func cmdTaken(ts *testscript.TestScript, neg bool, args []string) {
	dir, id := ts.MkAbs(args[0]), providers.BackupID(args[1])
	held, err := filepath.Glob(filepath.Join(dir, ".*.reserved"))
	ts.Check(err)
	if len(held) == 0 {
		ts.Fatalf("nobody holds an id in %s", dir)
	}
	for _, name := range held {
		if filepath.Base(name) >= "."+string(id) {
			ts.Fatalf("%s is not later than %s", id, name)
		}
	}
	_, err = os.Stat(filepath.Join(dir, string(id), "manifest.json"))
	ts.Check(err)
}

// cmdRecorded waits until the record of the newest run says that it is
// unlocked: recorded state. The guardian records it after it has unlocked.
func cmdRecorded(ts *testscript.TestScript, neg bool, args []string) {
	dir := filepath.Join(ts.MkAbs(args[0]), "journal")
	until(ts, func() bool {
		ids, err := journal.IDs(dir)
		ts.Check(err)
		if len(ids) == 0 {
			return false
		}
		r, err := journal.Load(dir, ids[len(ids)-1])
		return err == nil && !r.MayBeLocked
	})
}

package rsync

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bkp/internal/host"
	"bkp/internal/lab/loopfs"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/providertest"
)

// swapping is an rsync that, once, replaces the file n/b while the live pass
// copies: its list is made then, and n/b not read yet. What it waits for is the
// temporary file of the large one that comes first.
const swapping = `#!/bin/sh
case "$*" in *--version*|*--dry-run*) exec rsync "$@" ;; esac
[ -e %[1]s/swapped ] && exec rsync "$@"
touch %[1]s/swapped
rsync --bwlimit=200 "$@" &
while ! ls %[2]s/.0big.* >/dev/null 2>&1; do kill -0 $! || break; done
printf 'NEW-content\n' >%[3]s/n/.new
mv %[3]s/n/.new %[3]s/n/b
wait $!
`

// tornHome is a home whose file m/a gets another file's content in the first
// live pass: n/b, another name of it, is replaced after rsync has listed both.
func tornHome(t *testing.T, at string) (s *strategy, source string) {
	t.Helper()
	needRsync(t)
	dir := t.TempDir()
	source = filepath.Join(at, "home", "shared", "data", "repositories")
	for _, folder := range []string{"m", "n", "../../config"} {
		if err := os.MkdirAll(filepath.Join(source, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string][]byte{"0big": bytes.Repeat([]byte{'x'}, 600_000), "m/a": []byte("OLD-content\n")} {
		if err := os.WriteFile(filepath.Join(source, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(source, "m/a"), filepath.Join(source, "n/b")); err != nil {
		t.Fatal(err)
	}
	s = newStrategy(Config{Config: home.Config{Path: filepath.Join(at, "home")}, Tool: Tool{dir}},
		providers.Env{Address: "home.rsync.x", WorkDir: filepath.Join(dir, "work"), Host: &host.Host{}, Parallelism: 1})
	copied := filepath.Join(s.CopyOf(s.Parts()[0]), "shared", "data", "repositories")
	script := fmt.Sprintf(swapping, dir, copied, source)
	if err := os.WriteFile(filepath.Join(dir, "rsync"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return s, source
}

// livePass makes the first pass of a run up to where it was to be confirmed.
func livePass(t *testing.T, s *strategy) {
	t.Helper()
	able, err := s.ability(t.Context())
	if err == nil {
		err = s.MakeCopyDir()
	}
	if err != nil {
		t.Fatal(err)
	}
	s.able = &able
	if err := s.markUnconfirmed(); err != nil {
		t.Fatal(err)
	}
	if err := s.copy(t.Context(), false, nil); err != nil {
		t.Fatal(err)
	}
}

// sameTree compares the copy with the home by a tool of its own.
func sameTree(t *testing.T, s *strategy) {
	t.Helper()
	p := s.Parts()[0]
	if out, err := exec.CommandContext(t.Context(), "diff", "-r", p.Source, s.CopyOf(p)).CombinedOutput(); err != nil {
		t.Errorf("the copy differs: %s", out)
	}
}

// TestAFileWhoseOtherNameIsReplacedIsNotTorn: from the first live pass on, the
// copy of m/a has the size and the time of the home's, and another content.
func TestAFileWhoseOtherNameIsReplacedIsNotTorn(t *testing.T) {
	s, _ := tornHome(t, t.TempDir())
	if err := s.Prepare(t.Context(), providertest.ID); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, err := s.Capture(t.Context(), providertest.ID); err != nil {
		t.Fatal(err)
	}
	sameTree(t, s)
	if _, err := os.Stat(s.marker()); !os.IsNotExist(err) {
		t.Errorf("the passes are not confirmed: %v", err)
	}
}

// TestWhatChangedWhileItWasSentIsSentUnderTheLock, by whichever pass there is:
// the copy of m/a has the right size and time, and another content.
func TestWhatChangedWhileItWasSentIsSentUnderTheLock(t *testing.T) {
	for _, tracked := range []bool{true, false} {
		t.Run(fmt.Sprint("tracked ", tracked), func(t *testing.T) {
			at := t.TempDir()
			if tracked {
				at = loopfs.Mount(t, "ext4") // where nobody else changes anything
			}
			s, source := tornHome(t, at)
			s.tool = "rsync"
			if err := s.Prepare(t.Context(), providertest.ID); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			if !tracked {
				s.tracker = &home.Tracker{}
			}
			m, err := os.Stat(filepath.Join(source, "m/a"))
			if err != nil {
				t.Fatal(err)
			}
			copied := filepath.Join(s.CopyOf(s.Parts()[0]), "shared", "data", "repositories", "m", "a")
			if err := os.WriteFile(copied, []byte("NEW-content\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(copied, m.ModTime(), m.ModTime()); err != nil {
				t.Fatal(err)
			}
			s.torn.sent = []batch{{0, []string{"shared/data/repositories/m/a", "shared/data/repositories/n/b"}, time.Unix(0, 0)}}
			if _, err := s.Capture(t.Context(), providertest.ID); err != nil {
				t.Fatal(err)
			}
			if got := s.tracker.Change() != nil; got != tracked {
				t.Errorf("tracked: %t", got)
			}
			sameTree(t, s)
		})
	}
}

// TestATornFileOfARunThatEndedIsHealedByTheNext: the run ends after its first
// live pass, as by kill -9.
func TestATornFileOfARunThatEndedIsHealedByTheNext(t *testing.T) {
	s, _ := tornHome(t, t.TempDir())
	livePass(t, s)
	next := newStrategy(Config{Config: s.Config}, s.Env)
	if err := next.Prepare(t.Context(), providertest.ID); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = next.Close() }()
	if _, err := next.Capture(t.Context(), providertest.ID); err != nil {
		t.Fatal(err)
	}
	sameTree(t, next)
}

// TestAFolderThatWasSwappedAwayAndBackIsSentAgain: its files show no change.
func TestAFolderThatWasSwappedAwayAndBackIsSentAgain(t *testing.T) {
	s, source := tornHome(t, t.TempDir())
	since := time.Now().Add(tick)
	for wait := since.Add(tick); time.Now().Before(wait); {
		continue // until the clock is past what the home was made with
	}
	for _, move := range [][2]string{{"m", "away"}, {"away", "m"}} {
		if err := os.Rename(filepath.Join(source, move[0]), filepath.Join(source, move[1])); err != nil {
			t.Fatal(err)
		}
	}
	found, err := changedIn(t.Context(), s.Parts()[0], since, "")
	if err != nil || !slices.Equal(found, []string{"shared/data/repositories/m/a"}) {
		t.Errorf("found %v, %v", found, err)
	}
}

// TestAFolderThatGoesBeforeItIsCopiedIsNoFailure: git removes folders between
// the list and the call, also when its holder is listed as a tree.
func TestAFolderThatGoesBeforeItIsCopiedIsNoFailure(t *testing.T) {
	s, source := tornHome(t, t.TempDir())
	s.tool = "rsync"
	livePass(t, s)
	if err := os.RemoveAll(filepath.Join(source, "m")); err != nil {
		t.Fatal(err)
	}
	p := s.Parts()[0]
	if err := s.bring(t.Context(), false, p, work{trees: []string{"shared/data/repositories/m", "shared/data/repositories/n"}}); err != nil {
		t.Fatal(err)
	}
	sameTree(t, s)
}

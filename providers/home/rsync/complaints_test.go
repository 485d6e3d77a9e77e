//go:build unix

package rsync

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bkp/internal/host"
	"bkp/providers"
	"bkp/providers/home"
)

// Why rsync failed is known, however much it said afterwards.
func TestReasonsOutliveWhatVanished(t *testing.T) {
	const link = `rsync: [sender] send_files failed to open "/home/x": Too many levels of symbolic links (40)`
	const unread = `rsync: [sender] send_files failed to open "/home/y": Permission denied (13)`
	said := &host.ExitError{Tool: "rsync", Code: partial, Stderr: `file has vanished: "/home/z"`}
	for name, c := range map[string]struct {
		lines []string
		tries int
	}{
		"replaced":        {[]string{link}, triesReplaced},
		"many, one grave": {append(strings.Split(strings.Repeat(link+"\n", 2*complaintLines), "\n"), unread), triesUnread},
		"nothing":         {nil, triesUnread},
	} {
		t.Run(name, func(t *testing.T) {
			words, try := &complaints{}, 1
			for {
				for _, line := range append(c.lines, strings.Split(strings.Repeat("file has vanished\n", 500), "\n")...) {
					_, _ = fmt.Fprintln(words, line)
				}
				if !again(words.explain(said), try) {
					break
				}
				try++
			}
			if try != c.tries {
				t.Errorf("made %d times, want %d", try, c.tries)
			}
		})
	}
	other := errors.New("other")
	if err := (&complaints{reasons: []string{link}}).explain(other); !errors.Is(err, other) {
		t.Error(err)
	}
}

// complaining is an rsync that fails five times, as a tree that changes makes it.
const complaining = `#!/bin/sh
case "$*" in *--version*) exec rsync "$@" ;; esac
echo >>%[1]s/calls
[ $(wc -l <%[1]s/calls) -gt 5 ] && exec rsync "$@"
echo 'rsync: [sender] send_files failed to open "/home/x": Too many levels of symbolic links (40)' >&2
for n in 1 2 3 4 5 6 7 8 9 10; do echo 'file has vanished: "/home/z"' >&2; done
exit 23
`

func TestLivePassIsMadeAgainWhateverVanished(t *testing.T) {
	needRsync(t)
	dir := t.TempDir()
	tool, source := filepath.Join(dir, "rsync"), filepath.Join(dir, "home")
	if err := os.Mkdir(source, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(tool, fmt.Appendf(nil, complaining, dir), 0o700); err != nil {
		t.Fatal(err)
	}
	s := newStrategy(Config{Config: home.Config{Path: source}, Tool: Tool{filepath.Dir(tool)}}, providers.Env{Address: "home.rsync.x", WorkDir: filepath.Join(dir, "work"), Host: &host.Host{}})
	p := home.Part{Source: source}
	if err := s.run(t.Context(), false, p, fullArguments(ability{}, p, filepath.Join(dir, "copy")), nil); err != nil {
		t.Error(err)
	}
}

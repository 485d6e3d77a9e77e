package rsync

import (
	"errors"
	"testing"

	"bkp/internal/host"
)

func TestAgain(t *testing.T) {
	const link, unread = `rsync: [sender] send_files failed to open "/h/f": Too many levels of symbolic links (40)`, `rsync: [sender] send_files failed to open "/h/g": Permission denied (13)`
	for _, c := range []struct {
		name   string
		code   int
		stderr string
		tries  int
	}{
		{"a link in the place of a file", partial, link + "; rsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1394) [sender=3.5.0]", triesReplaced},
		{"a file that cannot be read", partial, unread, triesUnread},
		{"both", partial, link + "; " + unread, triesUnread},
		{"a stream that a changing tree tore", stream, "", triesReplaced},
		{"sides that disagree", protocol, "Invalid packet at end of run", triesReplaced},
		{"another code", 11, link, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			try := 1
			for again(&host.ExitError{Tool: "rsync", Code: c.code, Stderr: c.stderr}, try) {
				try++
			}
			if try != c.tries {
				t.Errorf("made %d times, want %d", try, c.tries)
			}
		})
	}
	if again(nil, 1) || again(errors.New("other"), 1) {
		t.Error("made again without a reason")
	}
}

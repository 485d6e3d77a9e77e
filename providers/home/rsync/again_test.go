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

// TestAFailedRsyncMayHaveWrittenMore: what it reported is lost where the stream between
// its processes tears, and the next try finds nothing to do there. So what differs from
// the index is no work of something else.
func TestAFailedRsyncMayHaveWrittenMore(t *testing.T) {
	for code, more := range map[int]bool{0: false, stream: true} {
		s := newFake(t, code, "").strategy(t)
		p := s.Parts()[0]
		wrote := newWritten(nil)
		s.seals.parts = map[string]*sealed{p.Name: {wrote: wrote}}
		err := s.run(t.Context(), true, p, []string{"-a"}, nil)
		if (err != nil) != more || (wrote.by() == nil) != more || (wrote.in() == nil) != more {
			t.Errorf("exit code %d: %v; all may be written: %v", code, err, wrote.everything())
		}
	}
}

package gpg

import (
	"errors"
	"strings"
	"sync"

	"bkp/internal/host"
)

// status takes gpg's error output, a line a call, and keeps what it says for
// programs. It is safe for concurrent use.
type status struct {
	mu    sync.Mutex
	lines [][]string
	// words are the last that it says for people.
	words string
}

const (
	statusPrefix = "[GNUPG:] "
	// mostStatus bounds what a hostile object can make gpg say.
	mostStatus = 10_000
)

// Write implements io.Writer. See host.Command.Stderr.
func (s *status) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range strings.Lines(string(p)) {
		words, ok := strings.CutPrefix(strings.TrimSpace(line), statusPrefix)
		if !ok {
			s.words = words
		}
		if f := strings.Fields(words); ok && len(f) > 0 && len(s.lines) < mostStatus {
			s.lines = append(s.lines, f)
		}
	}
	return len(p), nil
}

// explain replaces gpg's own report of its failure by its last words to people.
func (s *status) explain(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var exit *host.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	return &host.ExitError{Tool: exit.Tool, Code: exit.Code, Signal: exit.Signal, Stderr: s.words}
}

// all are the words after a keyword, of each line that has it.
func (s *status) all(keyword string) (out [][]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, words := range s.lines {
		if words[0] == keyword {
			out = append(out, words[1:])
		}
	}
	return out
}

func (s *status) has(keyword string) bool { return len(s.all(keyword)) > 0 }

// invalid is the number of the reason why gpg refuses a recipient, "" without one.
func (s *status) invalid() string {
	for _, words := range s.all("INV_RECP") {
		if len(words) > 0 {
			return words[0]
		}
	}
	return ""
}

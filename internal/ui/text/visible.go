package text

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// colour is what Style paints with, and the only command that a terminal gets.
var colour = regexp.MustCompile(`^\x1b\[[0-9;]*m`)

// visible writes out what a terminal would take for a command: names of files,
// replies of servers and manifests of backups are written by others.
func visible(text string) string {
	if !strings.ContainsFunc(text, hidden) {
		return text
	}
	var out strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		if paint := colour.FindString(text); paint != "" {
			out.WriteString(paint)
			size = len(paint)
		} else if r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&out, `\x%02x`, text[0])
		} else if r != utf8.RuneError && hidden(r) {
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.WriteString(text[:size])
		}
		text = text[size:]
	}
	return out.String()
}

// hidden reports control characters, of those that turn the direction of what
// follows, and of bytes that are no text.
func hidden(r rune) bool {
	switch r {
	case '\n', '\t':
		return false
	case utf8.RuneError: // bytes that are no text, mostly
		return true
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
}

// Visible returns a writer to w for texts that others had a hand in.
func Visible(w io.Writer) io.Writer { return visibleWriter{w} }

// visibleWriter makes visible what somebody else's printer writes.
type visibleWriter struct{ w io.Writer }

// Write implements io.Writer for whole texts.
func (v visibleWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(v.w, visible(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

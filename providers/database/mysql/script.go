package mysql

import (
	"bufio"
	"bytes"
	"io"
	"regexp"
	"slices"
	"strings"
)

// What script looks at, in bytes.
const (
	// ahead is how much of a dump is looked at together: more than a delimiter
	// or the line that sets one takes.
	ahead = 256
	// headSize bounds where a clause is looked for: no statement's beginning is
	// longer, and a statement of rows may have a gigabyte.
	headSize = 1024
	// batch is how much is taken before it is handed on.
	batch = 32 << 10
)

// script takes a dump apart as the client does that reads it: a delimiter counts
// only where no string and no comment is open. What the server alone reads, as
// in /*!50003 … */, is no comment.
type script struct {
	delimiter []byte
	// open is what ends the open string or comment: a quote, '\n' or '*'; 0 is
	// for none.
	open byte
	// begun is set while a statement is open.
	begun bool
	// plain is set while a backslash is an ordinary character.
	plain bool
}

// place of a token.
type place int

const (
	inside place = iota // of a statement
	between
	ending // the delimiter of a statement
)

// token returns the length and the place of what text begins with, which has ahead
// bytes or all that is left. It may be a part of a string or a comment.
func (s *script) token(text []byte) (int, place) {
	switch s.open {
	case 0:
		return s.code(text)
	case '\n', '*':
		return s.comment(text), s.where()
	default:
		return s.quoted(text), inside
	}
}

func (s *script) where() place {
	if s.begun {
		return inside
	}
	return between
}

// code takes a token outside of strings and comments.
func (s *script) code(text []byte) (int, place) {
	switch {
	case bytes.HasPrefix(text, s.delimiter):
		s.begun = false
		return len(s.delimiter), ending
	case !s.begun && len(text) > len(setDelimiter) && bytes.EqualFold(text[:len(setDelimiter)], []byte(setDelimiter)):
		return s.setDelimiter(text), between
	case !s.begun && isSpace(text[0]):
		return 1, between
	case text[0] == '#' || s.dashes(text):
		s.open = '\n'
		return 1, s.where()
	case bytes.HasPrefix(text, []byte("/*")) && !forServer(text):
		s.open = '*'
		return 2, s.where()
	}
	s.begun = true
	if bytes.IndexByte([]byte("'\"`"), text[0]) >= 0 {
		s.open = text[0]
		return 1, inside
	}
	next := bytes.IndexAny(text[1:], "'\"`#-/"+string(s.delimiter[0]))
	if next < 0 {
		return len(text), inside
	}
	return 1 + next, inside
}

const setDelimiter = "DELIMITER "

// setDelimiter takes the line that sets the delimiter.
func (s *script) setDelimiter(text []byte) int {
	line, _, ended := bytes.Cut(text, []byte("\n"))
	if given := bytes.Fields(line[len(setDelimiter):]); len(given) > 0 {
		s.delimiter = slices.Clone(given[0])
	}
	if ended {
		return len(line) + 1
	}
	return len(line)
}

func isSpace(c byte) bool { return bytes.IndexByte([]byte(" \t\r\n"), c) >= 0 }

// dashes reports whether a comment begins that ends with its line.
func (s *script) dashes(text []byte) bool {
	return bytes.HasPrefix(text, []byte("--")) && (len(text) == 2 || isSpace(text[2]) || !s.begun)
}

// forServer reports whether the server reads what the comment holds.
func forServer(text []byte) bool {
	return bytes.HasPrefix(text, []byte("/*!")) || bytes.HasPrefix(text, []byte("/*M!"))
}

// comment takes the rest of a comment, or as much as there is.
func (s *script) comment(text []byte) int {
	end := []byte("\n")
	if s.open == '*' {
		end = []byte("*/")
	}
	if at := bytes.Index(text, end); at >= 0 {
		s.open = 0
		return at + len(end)
	}
	return max(1, len(text)-1) // its end may be halfway here
}

// quoted takes a part of a string.
func (s *script) quoted(text []byte) int {
	special := string(s.open)
	if !s.plain && s.open != '`' {
		special += `\`
	}
	switch at := bytes.IndexAny(text, special); {
	case at < 0:
		return len(text)
	case at > 0:
		return at
	case text[0] == s.open:
		s.open = 0
		return 1
	default:
		return min(2, len(text))
	}
}

// sqlMode finds the mode that a statement of the tools sets for what follows.
var sqlMode = regexp.MustCompile(`(?i)^/\*!\d{5,6} SET [^;]*\bsql_mode\s*=\s*('[^']*'|@)`)

// ended notes what a statement changes in how the next ones are read.
func (s *script) ended(statement []byte) {
	if mode := sqlMode.FindSubmatch(statement); mode != nil {
		s.plain = strings.Contains(string(mode[1]), "NO_BACKSLASH_ESCAPES")
	}
}

// quotedAccount is an account or a role as the tools write it.
const quotedAccount = "`(?:[^`]|``)*`(?:@`(?:[^`]|``)*`)?"

// definerClause finds the clause in the beginning of a statement that creates a
// view, a routine, a trigger or an event, as the tools write it.
var definerClause = regexp.MustCompile(`^(?:CREATE (?:OR REPLACE )?|/\*!\d{5,6} CREATE (?:OR REPLACE )?ALGORITHM=\w+ \*/\s+/\*!\d{5,6} |` +
	`/\*!\d{5,6} CREATE\*/ /\*!\d{5,6} )(DEFINER=` + quotedAccount + ` ?)`)

// edit changes the beginning of a statement, or returns it as it is.
type edit func(head []byte) []byte

// withoutDefiner takes the DEFINER clause out: what is created then belongs to
// the account that restores.
func withoutDefiner(head []byte) []byte {
	at := definerClause.FindSubmatchIndex(head)
	if at == nil {
		return head
	}
	return slices.Concat(head[:at[2]], head[at[3]:])
}

// edited reads a dump with its statements edited.
type edited struct {
	edits  []edit
	in     *bufio.Reader
	script script
	// head is the beginning of the open statement, until it is long enough to
	// be looked at.
	head   []byte
	looked bool
	// out is what was taken and not yet handed on, from given on.
	out   []byte
	given int
	// end is why nothing more can be read; err is the same once all is taken.
	end, err error
}

func newEdited(r io.Reader, edits []edit) *edited {
	return &edited{edits: edits, in: bufio.NewReaderSize(r, 64<<10), script: script{delimiter: []byte(";")}}
}

// Read implements io.Reader.
func (w *edited) Read(p []byte) (int, error) {
	for w.given == len(w.out) {
		if w.err != nil {
			return 0, w.err
		}
		w.out, w.given = w.out[:0], 0
		for len(w.out) < batch && w.err == nil {
			w.step()
		}
	}
	n := copy(p, w.out[w.given:])
	w.given += n
	return n, nil
}

// step takes a token.
func (w *edited) step() {
	if w.end == nil {
		_, w.end = w.in.Peek(ahead)
	}
	text, _ := w.in.Peek(w.in.Buffered())
	if len(text) == 0 {
		w.look()
		w.err = w.end
		return
	}
	n, at := w.script.token(text)
	w.keep(text[:n], at)
	_, _ = w.in.Discard(n) // it is in the buffer
}

// keep takes a token on.
func (w *edited) keep(text []byte, at place) {
	if at == inside && !w.looked {
		if w.head = append(w.head, text...); len(w.head) >= headSize {
			w.look()
		}
		return
	}
	if at == ending {
		w.script.ended(w.head)
		w.look()
		w.looked = false
	}
	w.out = append(w.out, text...)
}

// look hands the beginning of a statement on, edited.
func (w *edited) look() {
	head := w.head
	for _, e := range w.edits {
		head = e(head)
	}
	w.out = append(w.out, head...)
	w.head, w.looked = w.head[:0], true
}

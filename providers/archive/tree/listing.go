package tree

import (
	"fmt"
	"slices"
	"strings"

	"bkp/internal/problem"

	"bkp/providers/archive/internal/shelf"
)

// foundNames is how many differing entries a message names.
const foundNames = 5

// lineReader reads the lines that are expected; see indexReader.next.
type lineReader interface{ next() (string, error) }

// listing compares a tree with its index, as it is walked.
type listing struct {
	index lineReader
	// line is the next one of the index, "" if it is to be read.
	line         string
	found        []string
	count        int
	files, bytes int64
}

// visit compares an entry with its line.
func (l *listing) visit(it *item) error {
	l.files++
	if it.meta.Mode.IsRegular() && it.entry.first == "" {
		l.bytes += it.meta.Size
	}
	for {
		if err := l.more(); err != nil {
			return err
		}
		if l.line == "" {
			l.differs(it.name, "was added")
			return nil
		}
		want := nameOf(l.line)
		switch order := before(want, it.name); {
		case order < 0:
			l.differs(want, "is gone")
			l.line = ""
			continue
		case order > 0:
			l.differs(it.name, "was added")
			return nil
		}
		if got := it.line(); got != l.line {
			l.differs(it.name, "differs in "+strings.Join(differing(l.line, got), ", "))
		}
		l.line = ""
		return nil
	}
}

// more reads the next line, unless there is one.
func (l *listing) more() (err error) {
	if l.line == "" {
		l.line, err = l.index.next()
	}
	return err
}

// end notes the lines that are left.
func (l *listing) end() error {
	for {
		if err := l.more(); err != nil || l.line == "" {
			return err
		}
		l.differs(nameOf(l.line), "is gone")
		l.line = ""
	}
}

func (l *listing) differs(name, how string) {
	l.count++
	if len(l.found) < foundNames {
		l.found = append(l.found, fmt.Sprintf("%q %s", name, how))
	}
}

// result is what is wrong with the tree, nil if nothing is.
func (l *listing) result(tree string) *problem.Problem {
	if l.count == 0 {
		return nil
	}
	more := ""
	if n := l.count - len(l.found); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return problem.New(treeDamaged, fmt.Sprintf("%s is not what it was: %s%s", tree, strings.Join(l.found, ", "), more), shelf.RestoreOther)
}

// differing are the keywords whose values differ.
func differing(want, got string) []string {
	values := func(line string) map[string]string {
		out := map[string]string{}
		for _, field := range strings.Fields(line)[1:] {
			key, value, _ := strings.Cut(field, "=")
			out[key] = value
		}
		return out
	}
	w, g := values(want), values(got)
	var out []string
	for key, value := range w {
		if g[key] != value {
			out = append(out, key)
		}
	}
	for key := range g {
		if _, known := w[key]; !known {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}

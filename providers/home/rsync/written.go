package rsync

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// itemized makes rsync report every entry that it changes or removes.
const itemized = "--out-format=%i %n"

// written collects what rsync reports to have written. It is safe for concurrent
// use; its nil value collects nothing.
type written struct {
	log   io.Writer
	mu    sync.Mutex
	names map[string]bool
	// folders have such entries, or are some.
	folders map[string]bool
	// all is set when more may have been written than was reported.
	all bool
}

func newWritten(log io.Writer) *written {
	return &written{log: logOf(log), names: map[string]bool{}, folders: map[string]bool{}}
}

// anything notes that an rsync failed: what it had written may not be reported. Its
// output is lost where the stream between its processes tore, and the next try finds
// nothing to do there.
func (w *written) anything() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = true
}

// everything reports whether all that differs may have been written.
func (w *written) everything() bool {
	if w == nil {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all
}

// by reports whether an entry was written; nil, which is for all of them, if nothing
// is collected or not all was reported.
func (w *written) by() func(rel string) bool {
	if w.everything() {
		return nil
	}
	return func(rel string) bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.names[rel]
	}
}

func (w *written) add(names []string) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range names {
		w.names[n] = true
		w.folders[root(path.Dir(n))] = true
	}
}

// addFolders notes folders that are new to the index: it has neither what is in them
// nor, in the folders above, themselves.
func (w *written) addFolders(names []string) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range names {
		w.names[n] = true
		w.folders[root(n)], w.folders[root(path.Dir(n))] = true, true
	}
}

// in returns the folders with what was written; nil, which is for all of them, if
// nothing is collected or not all was reported.
func (w *written) in() []string {
	if w.everything() {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string{}, slices.Sorted(maps.Keys(w.folders))...)
}

// root returns "" for the folder that rsync calls ".".
func root(name string) string {
	if name == "." {
		return ""
	}
	return name
}

// report is the output of one rsync.
type report struct {
	of   *written
	rest []byte
}

// Write takes whole lines, and keeps the beginning of one.
func (r *report) Write(b []byte) (int, error) {
	r.rest = append(r.rest, b...)
	text := r.rest
	for {
		line, after, whole := bytes.Cut(text, []byte("\n"))
		if !whole {
			r.rest = append(r.rest[:0], text...)
			return len(b), nil
		}
		text = after
		if name, ok := reported(string(line)); ok {
			if folder, is := strings.CutSuffix(name, "/"); is {
				r.of.addFolders([]string{folder})
			} else {
				r.of.add([]string{name})
			}
		} else {
			_, _ = fmt.Fprintf(r.of.log, "%s\n", line)
		}
	}
}

// change matches what itemized makes of a change, before the name.
var change = regexp.MustCompile(`^(?:\*deleting   |[<>ch.][fdLDS]\S{9,} )`)

// reported returns the entry that a line of rsync's output is about, a folder with a
// slash.
func reported(line string) (string, bool) {
	head := change.FindString(line)
	if head == "" {
		return "", false
	}
	return unescape(line[len(head):]), true
}

var octal = regexp.MustCompile(`\\#[0-7]{3}`)

// unescape returns a name as it is: rsync writes what is not printable, and a
// backslash that would look like that, in octal.
func unescape(name string) string {
	return octal.ReplaceAllStringFunc(name, func(code string) string {
		n, err := strconv.ParseUint(code[2:], 8, 8)
		if err != nil {
			return code
		}
		return string([]byte{byte(n)})
	})
}

package treesync

import (
	"errors"
	"os"
	"time"

	"bkp/internal/filemeta"
	"bkp/providers"
)

// Exclude returns what to leave out of the folder rel ("" is the root): a
// function of an entry's name and whether it is a folder, or nil if nothing.
type Exclude func(rel string) func(name string, dir bool) bool

// Options of a pass.
type Options struct {
	// Source and Copy are folders. Copy is created, mode 0700; its parent exists.
	Source, Copy string
	// In, if not nil, is the open folder in which Copy is a name.
	In *os.File
	// Index is the file that remembers the last pass; "" for none, as for a
	// copy that is made once.
	Index string
	// Exclude may be nil.
	Exclude Exclude
	// Spare names folders of the copy's root that stay, though the source does
	// not have them: what a file system keeps at its own root.
	Spare []string
	// Workers is how many folders are worked on at a time.
	Workers int
	// Strict makes it an error when an entry vanishes or changes under the
	// eyes of the pass. Without it the next pass takes care of it.
	Strict bool
	// Volatile names folders of the root, such as log, in which that is no
	// error even to a strict pass: their files are written to at all times, and
	// an older state of them is as good.
	Volatile []string
	// Durable syncs the copy before the index is written.
	Durable bool
	// Progress, if not nil, receives how far the pass has come, from several
	// goroutines.
	Progress func(files, bytes int64)
	// Now is the clock, time.Now if nil. An entry that changed less than
	// racyWindow before it is looked at again in the next pass.
	Now func() time.Time
	// Fault, if not nil, is asked before each operation on a file; an error is
	// taken for the operation's own. For tests.
	Fault func(op, path string) error
}

// Result of a pass.
type Result struct {
	// Total is what the copy holds now, Copied what had to be copied.
	Total, Copied providers.Estimate
	// Deleted counts the entries that were gone; a folder counts as one.
	Deleted int64
	// Sockets counts the sockets that were left out.
	Sockets int64
	// Lost is what could not be kept of owners and attributes.
	Lost filemeta.Loss
}

// Suspects are the entries of the copy that something else changed since the
// last run.
type Suspects struct {
	Count int
	// Names are the first of them, by path in the source.
	Names []string
}

// Changes say what may differ from the last pass.
type Changes struct {
	// Roots are the folders of the source, "" for the source itself, below
	// which every change is known. What lies elsewhere is walked.
	Roots []string
	// Folders that changed, by their path in the source, and the names of the
	// entries in them that did. A true one may be another folder than before,
	// whatever lies below it. A folder without names changed its attributes.
	Folders map[string]map[string]bool
	// Files may have changed under names that Folders does not have. Some may
	// lie elsewhere.
	Files []filemeta.ID
}

// ErrIncomplete means that the changes are not enough to go by: a full pass has
// to follow.
var ErrIncomplete = errors.New("a file has names that are not known")

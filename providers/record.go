package providers

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Recorder is a strategy that records what its trees hold while it writes them,
// so that a later reader notices what became of it in between.
type Recorder interface {
	// Record opens the record of a's tree. It works in a new process too. The
	// error wraps ErrNotFound if no record exists; the caller closes the record.
	Record(ctx context.Context, a Artifact) (Record, error)

	// Distrust takes folders of a's tree out of the record, by their names in
	// it, because they hold something else. The next live pass compares them
	// with the source byte by byte, and copies what differs. It works in a new
	// process too; folders that the record does not hold are none of its business.
	Distrust(ctx context.Context, a Artifact, folders []string) error
}

// Record is what a tree should hold. It need not be safe for concurrent use.
type Record interface {
	// Folder returns the entries of a folder, sorted by name; "" is the root of
	// the tree. It is false if nothing is known of the folder. An error reports
	// a record that is damaged there.
	Folder(name string) ([]Recorded, bool, error)
	// Intact is asked after the tree was read, and before what was read counts as
	// stored. It returns a *DamageError if the tree may have been something else
	// meanwhile: a snapshot that overflowed, a mount that is not there any more.
	Intact(ctx context.Context) error
	Close() error
}

// Recorded is one entry of a folder.
type Recorded struct {
	Name string
	// Type has the bits of fs.ModeType.
	Type fs.FileMode
	// Sum is that of the content of a file, or of the target of a symbolic
	// link, if Summed.
	Sum    uint64
	Summed bool
}

// Sum is the digest in a Record: XXH64. It finds what went wrong by
// accident, and protects from nobody.
func Sum(content []byte) uint64 { return xxhash.Sum64(content) }

// Summer computes a Sum of content that comes in pieces. Writing never fails.
type Summer = xxhash.Digest

// NewSummer returns a Summer that has read nothing.
func NewSummer() *Summer { return xxhash.New() }

// Records are the open records of a backup's trees, by the address of the
// artifact. An artifact without one is taken as it is.
type Records map[string]Record

// DamageError says that a tree does not hold what its record says.
type DamageError struct {
	// Address of the artifact, and its tree.
	Address, Tree string
	// Count is how many entries differ; Found names the first of them and says
	// how.
	Count int
	Found []string
	// Folders of the tree hold all of them.
	Folders []string
	// Cause is what happened to the tree as a whole; nil if entries differ.
	Cause error
}

// Unwrap returns the cause.
func (e *DamageError) Unwrap() error { return e.Cause }

// Error names the tree and the first entries.
func (e *DamageError) Error() string {
	if e.Cause != nil {
		return e.Cause.Error()
	}
	more := ""
	if n := e.Count - len(e.Found); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("%s changed after it was written: %s%s", e.Tree, strings.Join(e.Found, ", "), more)
}

// Package place is where the objects of an archive lie: a folder of this machine,
// and whatever else comes that can hold objects. An archive's format knows no more
// of it than these verbs; each implementation is a package below, and passes
// placetest.
//
// It leaves out what an object holds, and which objects make a backup.
package place

import (
	"context"
	"io"
	"io/fs"
	"slices"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
)

// Place holds objects. The name of one is the id of its backup, a slash, and a name
// of its own without any, of at most 240 bytes of ASCII that does not begin with a
// dot. All methods may be called at the same time. Those that are slow end soon
// after their context does.
type Place interface {
	// Destination is the place as a whole.
	Destination() providers.Destination

	// At is where an operator finds an object, or all of a backup by its id.
	At(name string) string

	// Piece is how many bytes an object should have at most; 0 if any number is well.
	Piece() int64

	// Check looks whether objects can be made, read and deleted, and leaves nothing
	// behind. A place that shows this only when it is done makes an object of a name
	// that is none of a backup, and removes it; one that a check of the same maker
	// left, because it was killed, is removed by a later one, within hours. A maker may
	// check several times at once. What is wrong goes into the report.
	Check(ctx context.Context, maker string) (providers.Report, error)

	// Create makes an object of what write writes. It appears whole, safe from a
	// power cut, when write has returned nil, or never. An object that is there is
	// not replaced: the error wraps fs.ErrExist. The error of write is returned.
	Create(ctx context.Context, name string, write func(io.Writer) error) error

	// Open reads length bytes from offset on, or what there is of them; all if
	// length is below zero. The caller closes it. The error wraps fs.ErrNotExist if
	// there is no such object. What stands in the place of one, and is none, is a
	// *problem.Problem.
	Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error)

	// Stat returns an object without reading it, with the errors of Open.
	Stat(ctx context.Context, name string) (Object, error)

	// List returns the objects of a backup, or with "" all, sorted by name. A place
	// that does not exist yet is empty.
	List(ctx context.Context, b providers.BackupID) ([]Object, error)

	// Delete removes an object. Idempotent.
	Delete(ctx context.Context, name string) error

	// Clean removes what a killed Create of this or another process left of a
	// backup, and no object. The caller makes sure that none is under way. Idempotent.
	Clean(ctx context.Context, b providers.BackupID) error

	// Claim makes the id of a backup holder's, unless it is somebody's. It returns
	// whose it is now. Of several who claim it at once, one gets it. The claim stays
	// until Unclaim, whatever becomes of the process.
	Claim(ctx context.Context, b providers.BackupID, holder string) (by string, err error)

	// Claimed returns whose the id is, "" if nobody's.
	Claimed(ctx context.Context, b providers.BackupID) (by string, err error)

	// Unclaim ends a claim, also that of another state folder. Idempotent.
	Unclaim(ctx context.Context, b providers.BackupID) error
}

// Object is what List and Stat return.
type Object struct {
	Name  string
	Bytes int64
	// Odd is set for what has the name of an object, or of a backup, and is none: a
	// symbolic link, an unfinished object. Stat and Open return it as the error.
	Odd *problem.Problem
}

// Name is the name of an object of a backup.
func Name(b providers.BackupID, own string) string { return string(b) + "/" + own }

// Split takes a name apart. What has no slash is a backup's without an object.
func Split(name string) (b providers.BackupID, own string) {
	id, own, _ := strings.Cut(name, "/")
	return providers.BackupID(id), own
}

// CheckName refuses what is not the name of an object, so that it may be made part
// of a path.
func CheckName(name string) error {
	b, own := Split(name)
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return err
	}
	const most = 240
	if own == "" || own[0] == '.' || len(own) > most || strings.ContainsFunc(own, func(c rune) bool { return c <= ' ' || c > '~' || c == '/' || c == '\\' || c == ':' }) {
		return &fs.PathError{Op: "name", Path: name, Err: fs.ErrInvalid}
	}
	return nil
}

// SortByName sorts objects as List returns them.
func SortByName(list []Object) {
	slices.SortFunc(list, func(a, b Object) int { return strings.Compare(a.Name, b.Name) })
}

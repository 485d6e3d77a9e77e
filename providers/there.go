package providers

import (
	"context"
	"encoding/json"
	"io"
)

// Task is work that an archive has done on the machine where a tree is. It is plain
// data.
type Task struct {
	// Do says what; but for TaskCheck, the archive alone knows what it means.
	Do string `json:"do"`
	// Looks is set for what changes nothing there.
	Looks bool `json:"looks,omitempty"`
	// Packing is the part of the backup that it is about; of a task that only looks, the
	// artifact has its address alone. Trees are paths of that machine.
	Packing Packing `json:"packing"`
	// Notes are what else the archive needs for it.
	Notes json.RawMessage `json:"notes,omitempty"`
}

// TaskCheck is a look at the store from there; its result is a Report.
const TaskCheck = "check"

// Worker is an archive that can work where a tree is: the same archive is opened on
// that machine for each task, and what it reads and writes there goes straight to or
// from the store. See StoresThere.
type Worker interface {
	// WorksThere reports whether the archive, as it is configured, has its tasks done
	// there. It touches nothing.
	WorksThere() bool

	// Lend returns a configuration, as a pointer, with which the archive works on another
	// machine: with the credentials themselves where this machine finds them in its own
	// files or environment. It is handed over for one task.
	Lend(ctx context.Context) (any, error)

	// CheckThere looks from the machine of an artifact, whose strategy is at the address,
	// whether tasks can be done there.
	CheckThere(ctx context.Context, address string) (Report, error)

	// Work does a task there: it is called on what was opened with what Lend returned. r
	// is the record of the artifact's tree; nil is no record.
	Work(ctx context.Context, t Task, r Record) (json.RawMessage, error)
}

// StoresThere is for an archive that is a Worker, and has trees of other machines
// stored by these.
func StoresThere() Option { return func(d *Definition) { d.StoresThere = true } }

// Streamer is an archive that gives its parts as a Packer writes them.
type Streamer interface {
	// Stream returns the part of a component as Packer.Unpack reads it, and of what that
	// is the part. What is stored was compared with its digests before the first byte
	// comes, and is again before io.EOF. The caller closes it.
	Stream(ctx context.Context, b BackupID, address string) (Packing, io.ReadCloser, error)
}

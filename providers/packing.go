package providers

import (
	"context"
	"encoding/json"
	"io"
)

// Packing is one artifact whose trees become a stream of bytes, and the backup
// that it is a part of.
type Packing struct {
	// Manifest as it was before anything was stored.
	Manifest Manifest `json:"manifest"`
	// Parts are the addresses of all artifacts that are stored together, sorted.
	Parts []string `json:"parts"`
	// Sealed says how the stream will be encrypted, by others; nil if not at all.
	Sealed *Sealed `json:"encryption,omitempty"`
	// Artifact has the trees.
	Artifact Artifact `json:"artifact"`
}

// Packer turns trees of this machine into a stream, which is neither compressed
// nor encrypted, and back.
type Packer interface {
	// Pack writes the stream. The trees are compared with r, as Archiver.Store does;
	// nil is no record.
	Pack(ctx context.Context, w io.Writer, p Packing, r Record) error

	// Unpack reads a stream of p to its end into dir, an empty folder that is there,
	// and nothing outside of it. An error is one of a stream that is not whole, or not
	// of p, too.
	Unpack(ctx context.Context, r io.Reader, p Packing, dir string) error
}

// Far is what archives do with trees of other machines.
type Far interface {
	// Pack is Packer.Pack on the machine at a connection's address, where the record is.
	// The caller MUST read to the end, and closes what it got: the error of the other
	// side comes instead of io.EOF.
	Pack(ctx context.Context, connection string, p Packing) (io.ReadCloser, error)

	// Work has a task of w done on the machine of the task's artifact, by the archive that
	// was given this Far. progress, which may be nil, takes how far it has come there.
	Work(ctx context.Context, w Worker, t Task, progress func(Progress)) (json.RawMessage, error)
}

// Host is the address of the connection to the machine that has all trees of the
// artifact, "" for this one.
func (a Artifact) Host() string {
	for _, t := range a.Trees {
		if t.Host != "" {
			return t.Host
		}
	}
	return ""
}

// ReadsFar is for an archive that stores trees of other machines, too: it reads
// them by Env.Far.
func ReadsFar() Option { return func(d *Definition) { d.ReadsFar = true } }

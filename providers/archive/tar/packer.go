package tar

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/internal/shelf"
)

// streamed is the format of a stream between machines: they compress what passes.
var streamed = formatNone

// Packer returns what streams trees from one machine to another: what is sent is a
// part of an archive, neither compressed nor encrypted, whose record at the end
// shows that all has arrived.
func Packer() providers.Packer { return packing{} }

type packing struct{}

// recordOf is that of the part, as far as it is known beforehand.
func recordOf(p providers.Packing) record {
	return record{Manifest: document.Inner(p.Manifest), Parts: p.Parts, Sealed: p.Sealed, Address: p.Artifact.Address}
}

// Pack implements providers.Packer.
func (packing) Pack(ctx context.Context, w io.Writer, p providers.Packing, r providers.Record) error {
	return packInto(w, func(to *packer) error {
		to.record, to.art, to.done = recordOf(p), p.Artifact, shelf.NewProgress(providers.Env{})
		return to.pack(ctx, r)
	})
}

// packInto runs a packer whose bytes go into w, which stays open.
func packInto(w io.Writer, pack func(*packer) error) error {
	plain := &counter{sum: sha256.New(), w: w}
	out := newStage(plain)
	p := &packer{tw: tar.NewWriter(out), stage: out, plain: plain, owners: newOwners()}
	err := pack(p)
	if e := out.close(); err == nil {
		err = e
	}
	return err
}

// Unpack implements providers.Packer.
func (packing) Unpack(ctx context.Context, r io.Reader, p providers.Packing, dir string) error {
	u := &unpacking{archive: &archive{}, done: shelf.NewProgress(providers.Env{})}
	t, err := u.begin(dir)
	if err != nil {
		return err
	}
	if _, err = readStream(ctx, r, p, t); err != nil {
		return errors.Join(err, u.abandon())
	}
	return u.close()
}

// readStream reads what Pack wrote of p to its end, and hands the entries on. What
// is not whole, or of something else, is an error.
func readStream(ctx context.Context, r io.Reader, p providers.Packing, to handler) (record, error) {
	rec, err := readEntries(r, wanted{b: p.Manifest.ID, name: document.PartName(p.Artifact.Address), format: streamed}, to)
	if ctx.Err() != nil {
		return rec, context.Cause(ctx)
	}
	if err != nil {
		return rec, err
	}
	want := recordOf(p)
	if rec.Address != want.Address || !document.Same(rec.Manifest, want.Manifest) || !sameSealed(rec.Sealed, want.Sealed) {
		return rec, fmt.Errorf("the other machine sent the record of something else than %s of %s", want.Address, want.Manifest.ID)
	}
	return rec, nil
}

// packFar is packer.pack for trees of another machine, which packs them: what it
// sends goes on as it is, and is looked through on the way.
func (a *archive) packFar(ctx context.Context, w io.Writer, p providers.Packing, done *shelf.Progress) (record, error) {
	if a.env.Far == nil {
		return record{}, problem.New("tree on another machine", fmt.Sprintf("%s lies on %s, which cannot be reached from here", p.Artifact.Address, p.Artifact.Host()), "report this as a fault of bkp")
	}
	from, err := a.env.Far.Pack(ctx, p.Artifact.Host(), p)
	if err != nil {
		return record{}, err
	}
	to := &keeping{w: w}
	rec, err := readStream(ctx, io.TeeReader(from, to), p, passing{done})
	if to.err != nil {
		err = to.err // the disk is full: the stream is not to blame
	}
	return rec, errors.Join(err, from.Close())
}

// keeping keeps the error of its writer.
type keeping struct {
	w   io.Writer
	err error
}

func (f *keeping) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err != nil {
		f.err = err
	}
	return n, err
}

// passing is the handler of what is counted, and passed on by others.
type passing struct{ done *shelf.Progress }

func (p passing) entry(_ string, h *tar.Header, r io.Reader) error {
	n, err := io.Copy(io.Discard, r)
	if h.Typeflag != tar.TypeReg {
		n = 0
	}
	p.done.Add(1, n, true)
	return err
}

func (passing) end() error { return nil }

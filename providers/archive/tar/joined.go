package tar

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"

	"bkp/providers"
	"bkp/providers/archive/internal/shelf"
	"bkp/providers/archive/place"
)

// joined reads the objects of a part one after the other, as one stream, and takes
// the size and the digest of each. The caller closes it.
type joined struct {
	ctx   context.Context //nolint:containedctx // that of the reading, which ends before it
	place place.Place
	b     providers.BackupID
	names []string

	// got are the objects that were read to their end.
	got []providers.Object
	now io.ReadCloser
	sum hash.Hash
	// bytes were read of the object that is open.
	bytes int64
	// read takes how far the reading is, if it is not nil; unsaid it does not have yet.
	read   *shelf.Progress
	unsaid int64
	// failed is set when an object could not be opened.
	failed *unopened
}

// unopened is the error of an object that cannot be opened.
type unopened struct {
	name string
	err  error
}

func (u *unopened) Error() string { return u.err.Error() }

// Unwrap returns the cause.
func (u *unopened) Unwrap() error { return u.err }

// open returns the stream of a part's objects. Nothing is opened yet.
func (a *archive) open(ctx context.Context, b providers.BackupID, names []string) *joined {
	return &joined{ctx: ctx, place: a.place, b: b, names: names, read: a.read}
}

// Read implements io.Reader. It ends when the context does.
func (j *joined) Read(p []byte) (int, error) {
	for {
		if j.ctx.Err() != nil {
			return 0, context.Cause(j.ctx)
		}
		if j.now == nil {
			if len(j.got) == len(j.names) {
				return 0, io.EOF
			}
			if err := j.next(); err != nil {
				return 0, err
			}
		}
		n, err := j.now.Read(p)
		j.bytes += int64(n)
		j.report(n, err != nil)
		_, _ = j.sum.Write(p[:n]) // a hash never fails
		if errors.Is(err, io.EOF) {
			err = j.end()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// sayEvery is after how many bytes progress is reported.
const sayEvery = 1 << 20

func (j *joined) report(n int, isEnd bool) {
	j.unsaid += int64(n)
	if j.read == nil || j.unsaid < sayEvery && !isEnd {
		return
	}
	j.read.Add(0, j.unsaid, true)
	j.unsaid = 0
}

// next opens the next object.
func (j *joined) next() error {
	name := place.Name(j.b, j.names[len(j.got)])
	r, err := j.place.Open(j.ctx, name, 0, -1)
	if err != nil {
		j.failed = &unopened{name, err}
		return j.failed
	}
	j.now, j.sum, j.bytes = r, sha256.New(), 0
	return nil
}

// end closes the object that is open.
func (j *joined) end() error {
	j.got = append(j.got, providers.Object{Name: j.names[len(j.got)], Bytes: j.bytes, SHA256: hex.EncodeToString(j.sum.Sum(nil))})
	err := j.now.Close()
	j.now = nil
	return err
}

// Close implements io.Closer.
func (j *joined) Close() error {
	if j.now == nil {
		return nil
	}
	return j.now.Close()
}

// namesOf are the names of a part's objects, in their order.
func namesOf(p providers.Part) []string {
	out := make([]string, len(p.Objects))
	for i, o := range p.Objects {
		out[i] = o.Name
	}
	return out
}

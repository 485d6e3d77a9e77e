package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"github.com/minio/minio-go/v7"

	"bkp/providers/archive/place"
)

// Stat implements place.Place.
func (s *Store) Stat(ctx context.Context, name string) (place.Object, error) {
	if err := place.CheckName(name); err != nil {
		return place.Object{}, err
	}
	info, err := s.stat(ctx, s.key(name))
	if err != nil {
		return place.Object{}, s.explain(ctx, "read", name, err)
	}
	return place.Object{Name: name, Bytes: info.Size}, nil
}

func (s *Store) stat(ctx context.Context, key string) (info minio.ObjectInfo, err error) {
	err = s.try(ctx, func() (err error) {
		info, err = s.core.StatObject(ctx, s.bucket, key, minio.StatObjectOptions{})
		return err
	})
	return info, err
}

// Open implements place.Place. It fetches some of the object ahead, several ranges at
// a time.
func (s *Store) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if err := place.CheckName(name); err != nil {
		return nil, err
	}
	return s.open(ctx, name, offset, length)
}

// open is Open for any object below the prefix.
func (s *Store) open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	info, err := s.stat(ctx, s.key(name))
	if err != nil {
		return nil, s.explain(ctx, "read", name, err)
	}
	end := info.Size
	if length >= 0 && length < end-offset {
		end = offset + length
	}
	r := &ahead{store: s, name: name, etag: info.ETag, queue: make(chan *fetched, aheadMost)}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	r.all.Go(func() { r.begin(offset, end) })
	return r, nil
}

// aheadMost is how many ranges a reader has begun that nobody has read yet. It is
// less than the buffers that there are, so that one does not keep all.
const aheadMost = 3

// ahead reads an object in its order, and fetches ranges of it ahead. It is for one
// goroutine, which MUST call Close.
type ahead struct {
	store      *Store
	ctx        context.Context //nolint:containedctx // that of Open, for as long as the reader is open
	cancel     context.CancelCauseFunc
	name, etag string
	// queue are the ranges in their order. It is closed behind the last.
	queue chan *fetched
	all   sync.WaitGroup
	now   *fetched
}

// fetched is one range.
type fetched struct {
	buf []byte
	// ready is closed when the rest is set.
	ready chan struct{}
	left  []byte
	err   error
}

var errClosed = errors.New("the reader is closed")

// begin starts the fetching of all ranges, as buffers become free.
func (r *ahead) begin(offset, end int64) {
	defer close(r.queue)
	for offset < end {
		buf, err := r.store.buffer(r.ctx)
		if err != nil {
			return
		}
		f := &fetched{buf: buf, ready: make(chan struct{})}
		from, n := offset, min(int64(len(buf)), end-offset)
		offset += n
		r.all.Go(func() {
			defer close(f.ready)
			f.err = r.fetch(f.buf[:n], from)
			f.left = f.buf[:n]
		})
		r.queue <- f // Close reads on
	}
}

// fetch fills p with what is at offset. An object that was replaced meanwhile is an
// error.
func (r *ahead) fetch(p []byte, offset int64) error {
	s := r.store
	return s.try(r.ctx, func() error {
		opts := minio.GetObjectOptions{}
		err := opts.SetRange(offset, offset+int64(len(p))-1)
		if err == nil && r.etag != "" { // a store may have none of an object that it did not make
			err = opts.SetMatchETag(r.etag)
		}
		if err != nil {
			return err
		}
		body, _, _, err := s.core.GetObject(r.ctx, s.bucket, s.key(r.name), opts)
		if err != nil {
			return err
		}
		_, err = io.ReadFull(body, p)
		return errors.Join(err, body.Close())
	})
}

// Read implements io.Reader.
func (r *ahead) Read(p []byte) (int, error) {
	for r.now == nil || len(r.now.left) == 0 {
		r.drop()
		f, ok := <-r.queue
		if r.ctx.Err() != nil {
			r.now = f
			return 0, context.Cause(r.ctx)
		}
		if !ok {
			return 0, io.EOF
		}
		r.now = f
		<-f.ready
		if f.err != nil {
			f.left = nil
			r.cancel(r.store.explain(r.ctx, "read", r.name, f.err))
			return 0, context.Cause(r.ctx)
		}
	}
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	n := copy(p, r.now.left)
	r.now.left = r.now.left[n:]
	return n, nil
}

// drop gives back the buffer of the range that was read.
func (r *ahead) drop() {
	if r.now != nil {
		<-r.now.ready
		r.store.free(r.now.buf)
		r.now = nil
	}
}

// Close implements io.Closer.
func (r *ahead) Close() error {
	r.cancel(errClosed)
	r.drop()
	for f := range r.queue {
		<-f.ready
		r.store.free(f.buf)
	}
	r.all.Wait()
	return nil
}

// read returns all of a small object below the prefix.
func (s *Store) read(ctx context.Context, name string, most int64) ([]byte, error) {
	r, err := s.open(ctx, name, 0, most)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, err = b.ReadFrom(r)
	return b.Bytes(), errors.Join(err, r.Close())
}

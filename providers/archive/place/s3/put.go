package s3

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // what S3 checks an upload by, not a protection
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"bkp/internal/problem"
	"bkp/providers/archive/place"
)

const (
	// maxParts is how many an upload may have at Amazon.
	maxParts = 10_000
	// uploadHeader names whose upload made an object. If the answer to the last call
	// of one is lost, the object that is there is ours if it has our mark.
	uploadHeader = "X-Amz-Meta-Bkp-Upload"
	// cleanupTimeout bounds what is removed once a context has ended.
	cleanupTimeout = 30 * time.Second
)

// Create implements place.Place.
func (s *Store) Create(ctx context.Context, name string, write func(io.Writer) error) error {
	if err := place.CheckName(name); err != nil {
		return err
	}
	_, err := s.stat(ctx, s.key(name))
	switch {
	case err == nil:
		return s.exists(name) // before all of it is sent
	case !isMissing(err):
		return s.explain(ctx, "look at", name, err)
	}
	return s.create(ctx, name, write)
}

// create makes an object below the prefix. Its name need not be that of one of a
// backup.
func (s *Store) create(ctx context.Context, name string, write func(io.Writer) error) error {
	u := s.newUpload(ctx, name)
	err := write(u)
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = s.explain(ctx, "write", name, u.finish())
	}
	if err != nil {
		u.abort()
	}
	return err
}

func (s *Store) exists(name string) error {
	return &fs.PathError{Op: "create", Path: s.url(name), Err: fs.ErrExist}
}

// upload is an object on its way. Writing is for one goroutine.
type upload struct {
	store     *Store
	ctx       context.Context //nolint:containedctx // that of Create, while it writes
	name, key string
	token     string

	buf []byte // nil if none is held
	n   int    // bytes in it
	// bytes is how many were written in all.
	bytes int64

	// id is that of an upload in parts, "" as long as one call may do.
	id    string
	last  int // number of the part begun last
	parts *errgroup.Group
	inner context.Context //nolint:containedctx // that of the parts

	mu   sync.Mutex
	done []minio.CompletePart
}

func (s *Store) newUpload(ctx context.Context, name string) *upload {
	u := &upload{store: s, ctx: ctx, name: name, key: s.key(name), token: rand.Text()}
	u.parts, u.inner = errgroup.WithContext(ctx)
	return u
}

// Write implements io.Writer.
func (u *upload) Write(p []byte) (int, error) {
	n, err := u.write(p)
	return n, u.store.explain(u.ctx, "write", u.name, err)
}

// write sends a part when the byte after it comes, so that one that ends the object
// is known as the last.
func (u *upload) write(p []byte) (int, error) {
	n := 0
	for len(p) > 0 {
		if u.n == u.store.limits.part {
			if err := u.send(); err != nil {
				return n, err
			}
		}
		if u.buf == nil {
			b, err := u.store.buffer(u.inner)
			if err != nil {
				return n, u.cause(err)
			}
			u.buf = b
		}
		k := copy(u.buf[u.n:], p)
		n, u.n, p = n+k, u.n+k, p[k:]
		u.bytes += int64(k)
	}
	return n, nil
}

// cause is why the parts ended, which is the failure of one of them.
func (u *upload) cause(err error) error {
	if u.ctx.Err() != nil {
		return context.Cause(u.ctx)
	}
	if failed := u.parts.Wait(); failed != nil {
		return failed
	}
	return err
}

// send begins the sending of the buffer as one part.
func (u *upload) send() error {
	s := u.store
	if u.id == "" {
		err := s.try(u.ctx, func() (err error) {
			u.id, err = s.core.NewMultipartUpload(u.ctx, s.bucket, u.key, u.options(nil))
			return err
		})
		if err != nil {
			return err
		}
	}
	if u.last == maxParts {
		return fmt.Errorf("%s has more than %d parts of %d bytes", u.key, maxParts, s.limits.part)
	}
	u.last++
	number, full, body := u.last, u.buf, u.buf[:u.n]
	u.buf, u.n = nil, 0
	u.parts.Go(func() error {
		defer s.free(full)
		part, err := u.sendPart(number, body)
		if err != nil {
			return err
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		u.done = append(u.done, part)
		return nil
	})
	return nil
}

func (u *upload) sendPart(number int, body []byte) (minio.CompletePart, error) {
	s := u.store
	sum := s.sum(body)
	opts := minio.PutObjectPartOptions{Md5Base64: sum.md5, Sha256Hex: sum.sha256, DisableContentSha256: true}
	if sum.crc32c != "" {
		opts.CustomHeader = http.Header{crcHeader: {sum.crc32c}}
	}
	out := minio.CompletePart{PartNumber: number, ChecksumCRC32C: sum.crc32c}
	err := s.try(u.inner, func() error {
		part, err := s.core.PutObjectPart(u.inner, s.bucket, u.key, u.id, number, bytes.NewReader(body), int64(len(body)), opts)
		out.ETag = part.ETag
		return err
	})
	return out, err
}

// finish makes the object appear, with all that was written. Every byte is in a part
// that the store has confirmed, and all parts are named: none is left out silently.
func (u *upload) finish() error {
	if u.id == "" {
		return u.putWhole()
	}
	if u.n > 0 {
		if err := u.send(); err != nil {
			return err
		}
	}
	if err := u.parts.Wait(); err != nil {
		return err
	}
	slices.SortFunc(u.done, func(a, b minio.CompletePart) int { return a.PartNumber - b.PartNumber })
	if len(u.done) != u.last {
		return fmt.Errorf("%s: %d of %d parts were sent", u.key, len(u.done), u.last)
	}
	opts := minio.PutObjectOptions{}
	opts.SetMatchETagExcept("*")
	s := u.store
	err := s.try(u.ctx, func() error {
		_, err := s.core.CompleteMultipartUpload(u.ctx, s.bucket, u.key, u.id, u.done, opts)
		return err
	})
	return u.settle(err)
}

// putWhole makes a small object with one call.
func (u *upload) putWhole() error {
	s, body := u.store, u.buf[:u.n]
	sum := s.sum(body)
	opts := u.options(&sum)
	opts.SetMatchETagExcept("*")
	err := s.try(u.ctx, func() error {
		_, err := s.core.PutObject(u.ctx, s.bucket, u.key, bytes.NewReader(body), int64(len(body)), sum.md5, sum.sha256, opts)
		return err
	})
	if err := u.settle(err); err != nil {
		return err
	}
	u.release()
	return nil
}

// settle finds out what became of the last call of an upload. It may have succeeded
// though its answer was lost, and then the next try was refused: the object that is
// there has a mark of its upload. It has as many bytes as were written, or it goes.
func (u *upload) settle(err error) error {
	if u.ctx.Err() != nil {
		return context.Cause(u.ctx)
	}
	info, failed := u.store.stat(u.ctx, u.key)
	switch {
	case err != nil && failed != nil:
		return err
	case failed != nil && isMissing(failed):
		return problem.New("object store lost an object", u.store.url(u.name)+" was written without an error, and is not there", "see what lies between this machine and the store, and whether a rule of the bucket removes objects")
	case failed != nil:
		return failed
	case info.Metadata.Get(uploadHeader) == u.token && info.Size == u.bytes:
		return nil
	case info.Metadata.Get(uploadHeader) == u.token:
		err := problem.New("object store keeps something else", fmt.Sprintf("%d bytes were written to %s, and it has %d", u.bytes, u.store.url(u.name), info.Size), "see what lies between this machine and the store")
		return errors.Join(err, u.store.remove(u.ctx, u.name))
	case isThere(err):
		return u.store.exists(u.name)
	case err == nil:
		return problem.New("object store does not keep metadata", u.store.url(u.name)+" has not the mark that it was written with, by which its uploads are known", "use another store")
	}
	return err
}

// abort removes what was sent. If it cannot be removed now, Clean does it.
func (u *upload) abort() {
	_ = u.parts.Wait() // a part that arrives later would stay
	u.release()
	if u.id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), cleanupTimeout)
	defer cancel()
	_ = u.store.abort(ctx, u.key, u.id)
}

func (u *upload) release() {
	if u.buf != nil {
		u.store.free(u.buf)
	}
	u.buf, u.n = nil, 0
}

// options are those of the call that begins an object.
func (u *upload) options(sum *checksum) minio.PutObjectOptions {
	o := minio.PutObjectOptions{
		StorageClass: u.store.cfg.StorageClass, DisableContentSha256: true,
		UserMetadata: map[string]string{uploadHeader: u.token},
	}
	switch {
	case u.store.cfg.Checksums != crc32c:
	case sum == nil:
		o.UserMetadata["X-Amz-Checksum-Algorithm"] = "CRC32C"
	default:
		o.UserMetadata[crcHeader] = sum.crc32c
	}
	return o
}

// crcHeader has the checksum of a body.
const crcHeader = "X-Amz-Checksum-Crc32c"

// checksum is what the store compares a body with, each "" if it is not to. SHA-256 is
// that of the signature, where no TLS protects the body. A signature of chunks
// (DisableContentSha256 prevents it) is taken for content by some stores.
type checksum struct{ crc32c, md5, sha256 string }

func (s *Store) sum(body []byte) checksum {
	var out checksum
	switch s.cfg.Checksums {
	case crc32c:
		sum := binary.BigEndian.AppendUint32(nil, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
		out.crc32c = base64.StdEncoding.EncodeToString(sum)
	case md5sum:
		sum := md5.Sum(body) //nolint:gosec // see the import
		out.md5 = base64.StdEncoding.EncodeToString(sum[:])
	}
	if s.endpoint != nil && s.endpoint.Scheme == "http" {
		sum := sha256.Sum256(body)
		out.sha256 = hex.EncodeToString(sum[:])
	}
	return out
}

// buffer waits for a free one.
func (s *Store) buffer(ctx context.Context) ([]byte, error) {
	select {
	case b := <-s.buffers:
		if b == nil {
			b = make([]byte, s.limits.part)
		}
		return b, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (s *Store) free(b []byte) { s.buffers <- b }

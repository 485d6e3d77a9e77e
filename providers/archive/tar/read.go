package tar

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"bkp/providers"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/place"
)

// maxHeader bounds what may stand before one entry's content: archive/tar
// takes a record of 1 MiB, and any number of records in a row.
const maxHeader = 4 << 20

// content is what reading a part to its end found.
type content struct {
	// record fits what stands before it.
	record record
	// objects are those that were read to their end.
	objects []providers.Object
}

// handler takes the entries of one artifact.
type handler interface {
	// entry takes one entry; name is relative to the artifact, "" its root.
	entry(name string, h *tar.Header, r io.Reader) error
	// end is called after the last entry.
	end() error
}

// wanted is the part that is to be read.
type wanted struct {
	b providers.BackupID
	// name is the part's; see partName.
	name   string
	format format
	// unseal opens what a sealer wrote; nil for what is not sealed.
	unseal func(r io.Reader) (io.ReadCloser, error)
	// most are the files and bytes that a manifest gives it: nothing beyond is
	// read, however well it is compressed. Without a manifest it is nil.
	most *providers.Part
}

// read reads a part from its first byte to its last. A content is returned with
// the error too: its digests are of whole objects all the same. An error of the handler
// ends the reading at once: the objects are not to blame, and may be large.
func read(ctx context.Context, raw *joined, w wanted, to *guarded) (content, error) {
	rec, err := readEntries(raw, w, to)
	c := content{record: rec}
	if ctx.Err() != nil {
		return c, context.Cause(ctx)
	}
	if to.err != nil {
		return c, err
	}
	if _, errRest := io.Copy(io.Discard, raw); errRest != nil {
		return c, errors.Join(err, errRest)
	}
	c.objects = raw.got
	return c, err
}

func readEntries(raw io.Reader, w wanted, to handler) (record, error) {
	packed := raw
	if w.unseal != nil {
		unsealed, err := w.unseal(raw)
		if err != nil {
			return record{}, err
		}
		defer func() { _ = unsealed.Close() }()
		packed = unsealed
	}
	plain, err := w.format.reader(packed)
	if err != nil {
		return record{}, err
	}
	defer func() { _ = plain.Close() }()
	rd := &reader{wanted: w, handler: to, digest: newBoundary(plain)}
	rd.tr = tar.NewReader(rd.digest)
	err = rd.all()
	rd.digest.close()
	if err != nil {
		return rd.record, err
	}
	// The end is looked for, not the rest: that may be as long as it likes.
	if n, err := io.ReadFull(plain, make([]byte, 1)); n > 0 {
		return rd.record, errors.New("there are bytes behind the end of the archive")
	} else if err != io.EOF {
		return rd.record, err
	}
	// A compressor may stop before it has seen the end of what was sealed.
	if n, err := io.ReadFull(packed, make([]byte, 1)); n > 0 {
		return rd.record, errors.New("there are bytes behind the end of the compressed archive")
	} else if err != io.EOF {
		return rd.record, err
	}
	return rd.record, nil
}

// reader goes through the entries of a part.
type reader struct {
	wanted
	tr      *tar.Reader
	digest  *boundary
	handler handler
	order   order

	files, bytes int64
	record       record
}

func (r *reader) all() error {
	var padding int64
	for {
		r.digest.hold()
		h, err := r.tr.Next()
		if err == io.EOF {
			return errors.New("the archive ends without its record")
		}
		if err != nil {
			return err
		}
		r.digest.release(padding)
		padding = (512 - h.Size%512) % 512

		if h.Name == recordEntry(r.b, r.name) {
			return r.end(h)
		}
		if err := r.entry(h); err != nil {
			return fmt.Errorf("entry %q: %w", h.Name, err)
		}
		// What the handler left must be read here, so that the next header is
		// preceded by padding only.
		if _, err := io.Copy(io.Discard, r.tr); err != nil {
			return fmt.Errorf("entry %q: %w", h.Name, err)
		}
	}
}

func (r *reader) entry(h *tar.Header) error {
	if err := errors.Join(checkType(h), checkMeta(h)); err != nil {
		return err
	}
	prefix := place.Name(r.b, r.name)
	name, ok := strings.CutPrefix(strings.TrimSuffix(h.Name, "/")+"/", prefix+"/")
	if !ok {
		return fmt.Errorf("it is not below %s/", prefix)
	}
	name = strings.TrimSuffix(name, "/")
	r.digest.flush()
	if err := r.order.next(name, h.Typeflag == tar.TypeDir); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeLink {
		target, ok := strings.CutPrefix(h.Linkname, prefix+"/")
		if !ok || !document.LocalName(target) {
			return fmt.Errorf("it is a hard link to %q, outside its artifact", h.Linkname)
		}
		h.Linkname = target
	}
	r.files++
	if h.Typeflag == tar.TypeReg {
		r.bytes += h.Size
	}
	if r.most != nil && (r.files > r.most.Files || r.bytes > r.most.Bytes) {
		return fmt.Errorf("its artifact has more than the %d entries with %d bytes that the manifest gives it", r.most.Files, r.most.Bytes)
	}
	return r.handler.entry(name, h, r.tr)
}

// end reads the record and what must be the end of the archive. A record that does
// not fit what stands before it is an error.
func (r *reader) end(h *tar.Header) error {
	sum := r.digest.sum()
	if !r.order.begun {
		return errors.New("it holds no tree")
	}
	if err := r.handler.end(); err != nil {
		return err
	}
	if h.Typeflag != tar.TypeReg || h.Size > maxRecord {
		return fmt.Errorf("entry %q is no record", h.Name)
	}
	data, err := io.ReadAll(r.tr)
	if err != nil {
		return err
	}
	rec, err := openRecord(data, r.b, r.name)
	if err != nil {
		return fmt.Errorf("record inside: %w", err)
	}
	switch h, err := r.tr.Next(); {
	case err == nil:
		return fmt.Errorf("entry %q follows the record", h.Name)
	case err != io.EOF:
		return err
	}
	r.record = rec
	return rec.differs(r.files, r.bytes, sum)
}

// differs is how what was read differs from what was written, nil if it does not.
// Holes are not seen when it is read.
func (r record) differs(files, bytes int64, sum string) error {
	switch {
	case r.Files != files || r.Bytes != bytes:
		return fmt.Errorf("it has %d entries with %d bytes, and had %d with %d", files, bytes, r.Files, r.Bytes)
	case r.SHA256 != sum:
		return fmt.Errorf("SHA-256 of its entries is %s, and was %s", sum, r.SHA256)
	}
	return nil
}

// boundary adds the bytes of an artifact's entries to a digest. The header of the
// record has been read when it is known as one, so the bytes of a header are held
// back until it is known whether they belong to the artifact. The digest is taken by
// a goroutine of its own, while entries are written. It MUST be closed.
type boundary struct {
	r       io.Reader
	hash    hash.Hash
	hashing *stage
	holding bool
	held    []byte
}

func newBoundary(r io.Reader) *boundary {
	sum := sha256.New()
	return &boundary{r: r, hash: sum, hashing: newStage(sum)}
}

func (d *boundary) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	switch {
	case d.holding && len(d.held)+n > maxHeader:
		return 0, fmt.Errorf("a header has more than %d bytes", maxHeader)
	case d.holding:
		d.held = append(d.held, p[:n]...)
	default:
		d.add(p[:n])
	}
	return n, err
}

func (d *boundary) add(p []byte) { _, _ = d.hashing.Write(p) } // a hash never fails

// hold begins holding bytes back; release gives the padding among them to the
// artifact and keeps the header, for flush.
func (d *boundary) hold() { d.holding = true }

func (d *boundary) release(padding int64) {
	d.holding = false
	padding = min(padding, int64(len(d.held)))
	d.add(d.held[:padding])
	d.held = d.held[:copy(d.held, d.held[padding:])]
}

// flush gives the header to the artifact.
func (d *boundary) flush() {
	d.add(d.held)
	d.held = d.held[:0]
}

// sum is the digest up to the held back header.
func (d *boundary) sum() string {
	_ = d.hashing.sync() // a hash never fails
	return hex.EncodeToString(d.hash.Sum(nil))
}

// close ends the goroutine.
func (d *boundary) close() { _ = d.hashing.close() } // a hash never fails

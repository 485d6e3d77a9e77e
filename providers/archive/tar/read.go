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
)

const (
	// maxManifest bounds the memory that a damaged archive may take.
	maxManifest = 64 << 20
	// maxHeader bounds what may stand before one entry's content: archive/tar
	// takes a record of 1 MiB, and any number of records in a row.
	maxHeader = 4 << 20
)

// part is what reading found of one artifact.
type part struct {
	files, bytes int64
	sha256       string
}

// content is what reading an archive to its end found.
type content struct {
	parts    map[string]part // by entry prefix
	manifest providers.Manifest
	// sealed tells that the manifest has a digest of its own.
	sealed bool
	bytes  int64
	sha256 string
}

// handler takes the entries of one artifact.
type handler interface {
	// entry takes one entry; name is relative to the artifact, "" its root.
	entry(name string, h *tar.Header, r io.Reader) error
	// end is told that the artifact has no more entries.
	end() error
}

// bounds are the files and bytes of each artifact, by entry prefix, as a
// manifest has them: nothing beyond is read, however well it is compressed.
// Without a manifest to be believed they are nil, and bound nothing.
type bounds map[string]part

func boundsOf(m providers.Manifest) bounds {
	out := bounds{}
	for _, art := range m.Artifacts {
		out[entryPrefix(m.ID, art.Address)] = part{files: art.Files, bytes: art.Bytes}
	}
	return out
}

// read reads an archive from its first byte to its last. open gives the
// handler of an artifact by its prefix. A content is returned with the error
// too: its file digest is of the whole file all the same.
func read(ctx context.Context, file io.Reader, f format, b providers.BackupID, most bounds, open func(prefix string) (handler, error)) (content, error) {
	raw := &teeReader{sum: sha256.New(), r: until(ctx, file)}
	c, err := readEntries(raw, f, b, most, open)
	if ctx.Err() != nil {
		return c, context.Cause(ctx)
	}
	if _, errRest := io.Copy(io.Discard, raw); errRest != nil {
		return c, errors.Join(err, errRest)
	}
	c.bytes, c.sha256 = raw.bytes, hex.EncodeToString(raw.sum.Sum(nil))
	return c, err
}

// until reads until the context ends.
func until(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return r.Read(p)
	})
}

func readEntries(raw io.Reader, f format, b providers.BackupID, most bounds, open func(string) (handler, error)) (c content, err error) {
	c.parts = map[string]part{}
	plain, err := f.reader(raw)
	if err != nil {
		return c, err
	}
	defer func() { _ = plain.Close() }()
	rd := &reader{b: b, c: &c, most: most, open: open, digest: &boundary{r: plain}}
	rd.tr = tar.NewReader(rd.digest)
	if err := rd.all(); err != nil {
		return c, err
	}
	// The end is looked for, not the rest: that may be as long as it likes.
	if n, err := io.ReadFull(plain, make([]byte, 1)); n > 0 {
		return c, errors.New("there are bytes behind the end of the archive")
	} else if err != io.EOF {
		return c, err
	}
	return c, nil
}

// reader walks the entries of an archive and finds where artifacts begin.
type reader struct {
	b      providers.BackupID
	c      *content
	most   bounds
	open   func(prefix string) (handler, error)
	tr     *tar.Reader
	digest *boundary

	prefix  string
	handler handler
	order   order
	part    part
}

func (r *reader) all() error {
	var padding int64
	for {
		r.digest.hold()
		h, err := r.tr.Next()
		if err == io.EOF {
			return errors.New("the archive ends without a manifest")
		}
		if err != nil {
			return err
		}
		r.digest.release(padding)
		padding = (512 - h.Size%512) % 512

		if h.Name == manifestEntry(r.b) {
			return r.manifest(h)
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
	rest, ok := strings.CutPrefix(strings.TrimSuffix(h.Name, "/"), string(r.b)+"/")
	if !ok {
		return fmt.Errorf("it is not below %s/", r.b)
	}
	folder, name, _ := strings.Cut(rest, "/")
	prefix := string(r.b) + "/" + folder
	if prefix != r.prefix {
		if err := r.begin(prefix); err != nil {
			return err
		}
	}
	r.digest.flush()
	if err := r.order.next(name, h.Typeflag == tar.TypeDir); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeLink {
		target, ok := strings.CutPrefix(h.Linkname, prefix+"/")
		if !ok || !localName(target) {
			return fmt.Errorf("it is a hard link to %q, outside its artifact", h.Linkname)
		}
		h.Linkname = target
	}
	r.part.files++
	if h.Typeflag == tar.TypeReg {
		r.part.bytes += h.Size
	}
	if most, bounded := r.most[prefix]; bounded && (r.part.files > most.files || r.part.bytes > most.bytes) {
		return fmt.Errorf("its artifact has more than the %d entries with %d bytes that the manifest tells of", most.files, most.bytes)
	}
	return r.handler.entry(name, h, r.tr)
}

// begin ends the artifact before and starts the next.
func (r *reader) begin(prefix string) error {
	if err := r.finish(); err != nil {
		return err
	}
	if _, twice := r.c.parts[prefix]; twice {
		return errors.New("its artifact began before, and ended")
	}
	if _, known := r.most[prefix]; r.most != nil && !known {
		return errors.New("the manifest does not tell of its artifact")
	}
	r.digest.start()
	r.prefix, r.part, r.order = prefix, part{}, order{}
	var err error
	r.handler, err = r.open(prefix)
	return err
}

func (r *reader) finish() error {
	if r.prefix == "" {
		return nil
	}
	r.part.sha256 = r.digest.sum()
	r.c.parts[r.prefix] = r.part
	return r.handler.end()
}

// manifest reads the last entry and what must be the end of the archive.
func (r *reader) manifest(h *tar.Header) error {
	if err := r.finish(); err != nil {
		return err
	}
	if h.Typeflag != tar.TypeReg || h.Size > maxManifest {
		return fmt.Errorf("entry %q is no manifest", h.Name)
	}
	data, err := io.ReadAll(r.tr)
	if err != nil {
		return err
	}
	if r.c.manifest, r.c.sealed, err = openManifest(data); err != nil {
		return fmt.Errorf("manifest inside: %w", err)
	}
	switch h, err := r.tr.Next(); {
	case err == nil:
		return fmt.Errorf("entry %q follows the manifest", h.Name)
	case err != io.EOF:
		return err
	}
	return nil
}

// boundary adds the bytes of an artifact's entries to a digest. The header
// that shows where an artifact begins has been read by then, so its bytes are
// held back until it is known to which artifact they belong.
type boundary struct {
	r       io.Reader
	hash    hash.Hash
	holding bool
	held    []byte
}

func (d *boundary) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	switch {
	case d.holding && len(d.held)+n > maxHeader:
		return 0, fmt.Errorf("a header has more than %d bytes", maxHeader)
	case d.holding:
		d.held = append(d.held, p[:n]...)
	case d.hash != nil:
		_, _ = d.hash.Write(p[:n]) // a hash never fails
	}
	return n, err
}

// hold begins holding bytes back; release gives the padding among them to the
// artifact at hand and keeps the header, for flush.
func (d *boundary) hold() { d.holding = true }

func (d *boundary) release(padding int64) {
	d.holding = false
	padding = min(padding, int64(len(d.held)))
	if d.hash != nil {
		_, _ = d.hash.Write(d.held[:padding])
	}
	d.held = d.held[:copy(d.held, d.held[padding:])]
}

// start begins the digest of the next artifact.
func (d *boundary) start() { d.hash = sha256.New() }

// flush gives the header to the artifact that is at hand now.
func (d *boundary) flush() {
	if d.hash != nil {
		_, _ = d.hash.Write(d.held)
	}
	d.held = d.held[:0]
}

// sum is the digest up to the held back header, which belongs to the next.
func (d *boundary) sum() string { return hex.EncodeToString(d.hash.Sum(nil)) }

// teeReader counts and hashes what is read.
type teeReader struct {
	r     io.Reader
	sum   hash.Hash
	bytes int64
}

func (t *teeReader) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.bytes += int64(n)
	_, _ = t.sum.Write(p[:n]) // a hash never fails
	return n, err
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

package tar

import (
	"archive/tar"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"slices"

	"bkp/internal/filemeta"
	"bkp/providers"
	"bkp/providers/archive/internal/compare"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/internal/shelf"
)

// write writes the bytes of one part, and leaves out its objects. about is its
// record, as far as it is known.
func (a *archive) write(ctx context.Context, w io.Writer, about record, art providers.Artifact, r providers.Record, done *shelf.Progress) (providers.Part, error) {
	sealed, err := a.seal(ctx, w)
	if err != nil {
		return providers.Part{}, err
	}
	toPlace := newStage(sealed)
	f := a.writes()
	compressor, err := f.writer(toPlace, a.cfg.Level)
	if err != nil {
		return providers.Part{}, errors.Join(err, toPlace.close(), sealed.Close())
	}
	// Every stage is closed, the earlier first, whatever failed. The first error
	// is reported alone: a full disk makes each stage report the same again.
	wrote, err := a.packed(ctx, compressor, about, art, r, done)
	for _, closing := range []func() error{compressor.Close, toPlace.close, sealed.Close} {
		if e := closing(); err == nil {
			err = e
		}
	}
	return wrote.part(), err
}

// packed writes a part before it is compressed, and returns its record.
func (a *archive) packed(ctx context.Context, w io.Writer, about record, art providers.Artifact, r providers.Record, done *shelf.Progress) (record, error) {
	if art.Host() != "" {
		return a.packFar(ctx, w, packingOf(about, art), done)
	}
	var wrote record
	err := packInto(w, func(p *packer) error {
		p.fault, p.record, p.art, p.done = a.fault, about, art, done
		err := p.pack(ctx, r)
		wrote = p.record
		return err
	})
	return wrote, err
}

// counter passes bytes on, counts them and adds them to a digest.
type counter struct {
	sum   hash.Hash
	w     io.Writer
	bytes int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.bytes += int64(n)
	_, _ = c.sum.Write(p[:n]) // a hash never fails
	return n, err
}

func (c *counter) digest() string { return hex.EncodeToString(c.sum.Sum(nil)) }

// packer writes the entries of one part.
type packer struct {
	tw     *tar.Writer
	stage  *stage
	plain  *counter
	owners *owners
	fault  func(name string) error
	art    providers.Artifact
	done   *shelf.Progress
	// record is that of the part; what it counts grows.
	record record
}

// pack writes the trees of the artifact, and its record. r is of an artifact that
// is one tree.
func (p *packer) pack(ctx context.Context, r providers.Record) error {
	prefix := entryPrefix(p.record.Manifest.ID, p.art.Address)
	above := folders{tw: p.tw, made: p.art.PointInTime}
	for _, tree := range slices.SortedFunc(slices.Values(p.art.Trees), document.ByPlace) {
		n, err := above.enter(prefix, tree.Place)
		if err != nil {
			return err
		}
		p.record.Files += n
		t := &treePacker{packer: p, prefix: path.Join(prefix, tree.Place), links: map[filemeta.ID]packed{}}
		if p.art.Dir() != "" {
			t.compare = compare.New(r)
		}
		err = walk(ctx, reading{tree.Path, tree.LeaveOut.Matcher(), t.compare, p.fault}, t.add)
		if err == nil {
			err = t.compare.Result(&p.art)
		}
		if err := compare.Intact(ctx, r, err); err != nil {
			return err
		}
	}
	return p.end()
}

// end writes the record.
func (p *packer) end() error {
	// Flush writes the padding of the last entry, which belongs to it.
	if err := p.tw.Flush(); err != nil {
		return err
	}
	if err := p.stage.sync(); err != nil {
		return err
	}
	p.record.SHA256 = p.plain.digest()
	data, err := sealRecord(p.record)
	if err != nil {
		return err
	}
	m := p.record.Manifest
	h := &tar.Header{
		Typeflag: tar.TypeReg, Name: recordEntry(m.ID, document.PartName(p.art.Address)), Size: int64(len(data)),
		Mode: 0o600, ModTime: m.Created, Format: tar.FormatPAX,
	}
	if err := p.tw.WriteHeader(h); err != nil {
		return err
	}
	if _, err := p.tw.Write(data); err != nil {
		return err
	}
	return p.tw.Close()
}

// treePacker writes the entries of one tree. Once something differs from the
// record, it writes no more, and goes on comparing.
type treePacker struct {
	*packer
	prefix  string
	compare *compare.Comparison
	// links are the files with several names, by the first.
	links map[filemeta.ID]packed
}

// packed is a file that has its place in the archive, and its digest if there is
// a record.
type packed struct {
	name string
	sum  uint64
}

func (t *treePacker) add(it *item) error {
	name := t.prefix
	if it.name != "" {
		name += "/" + it.name
	}
	link := it.link
	isFile := it.meta.Mode.IsRegular()
	if isFile && it.meta.Links > 1 {
		link = t.links[it.meta.ID].name
	}
	h, err := newHeader(name, link, it.meta, t.owners)
	if err != nil {
		return err
	}
	isGood := !t.compare.Damaged()
	if isGood {
		if err := t.tw.WriteHeader(h); err != nil {
			return fmt.Errorf("%s: %w", it.path(), err)
		}
	}
	t.record.Files++
	switch {
	case isFile && link == "":
		err = t.content(it, name, isGood)
	case isFile:
		t.compare.Hold(it.name, it.want, t.links[it.meta.ID].sum)
	case it.kind&fs.ModeSymlink != 0:
		t.compare.Hold(it.name, it.want, providers.Sum([]byte(it.link)))
	}
	t.done.Add(1, 0, true)
	return err
}

// content writes what a file holds, unless something differs already.
func (t *treePacker) content(it *item, name string, isGood bool) error {
	t.record.Bytes += it.meta.Size
	t.record.Holes += it.holes
	w := io.Discard
	if isGood {
		w = &reporter{p: t.packer}
	}
	sum, err := it.summed(t.compare, w)
	var unread *readError
	if errors.As(err, &unread) {
		return t.compare.Fails(it.name, err)
	}
	if err != nil {
		return err
	}
	t.compare.Hold(it.name, it.want, sum)
	if it.meta.Links > 1 {
		t.links[it.meta.ID] = packed{name, sum}
	}
	return nil
}

// reporter writes content and reports how far it has come.
type reporter struct{ p *packer }

func (r *reporter) Write(b []byte) (int, error) {
	n, err := r.p.tw.Write(b)
	r.p.done.Add(0, int64(n), n >= smallFile/4)
	return n, err
}

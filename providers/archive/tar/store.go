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
	"io/fs"
	"os"
	"path"
	"slices"

	"bkp/internal/filemeta"
	"bkp/internal/problem"
	"bkp/providers"
)

// Store implements providers.Archiver.
func (a *archive) Store(ctx context.Context, m providers.Manifest, r providers.Records) (providers.Manifest, error) {
	if _, err := providers.ParseBackupID(string(m.ID)); err != nil {
		return m, err
	}
	if err := checkAddresses(m); err != nil {
		return m, problem.Wrap(err, "backup cannot be archived", "rename the component")
	}
	for _, art := range m.Artifacts {
		if err := checkPlaces(art); err != nil {
			return m, err
		}
	}
	if err := a.hold(m.ID); err != nil {
		return m, err
	}
	m, err := a.store(ctx, m, r)
	if err != nil {
		return m, errors.Join(err, a.letGo(m.ID))
	}
	// A backup that is stored is no failure because of this. Discard tries again.
	if err := a.letGo(m.ID); err != nil {
		a.env.Warning("the id is still reserved: " + err.Error())
	}
	return m, nil
}

// store is Store, while the id is ours.
func (a *archive) store(ctx context.Context, m providers.Manifest, r providers.Records) (providers.Manifest, error) {
	m.Artifacts = slices.Clone(m.Artifacts)
	if err := a.mine(m); err != nil {
		return m, err
	}
	path := a.archivePath(m.ID, formats[a.cfg.Compression])
	f, err := createPartial(partialPath(path))
	if err != nil {
		return m, a.notWritable(err)
	}
	stored, err := a.write(ctx, f, &m, r)
	if err != nil {
		return m, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	// A manifest of an earlier Store would speak for a file that it does not
	// describe.
	if err := a.Delete(ctx, m.ID); err != nil {
		return m, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	if err := commit(f, path); err != nil {
		return m, errors.Join(err, os.RemoveAll(f.Name()))
	}
	stored.Archive, stored.Location = a.env.Address, path

	beside := inner(m)
	beside.Stored = []providers.Stored{stored}
	data, err := seal(beside)
	if err != nil {
		return m, err
	}
	if err := writeFile(a.manifestPath(m.ID), data); err != nil {
		// Whether it is safe on disk nobody knows: a backup that counts as not
		// stored must not lie here.
		return m, errors.Join(a.notWritable(err), a.Delete(context.WithoutCancel(ctx), m.ID))
	}
	m.Stored = append(slices.DeleteFunc(slices.Clone(m.Stored), func(s providers.Stored) bool {
		return s.Archive == a.env.Address
	}), stored)
	return m, nil
}

func (a *archive) notWritable(err error) error {
	return problem.Wrap(err, destinationNotWritable, "let the user that runs bkp write there, or choose another destination")
}

// write writes the archive's bytes, and fills in m's digests.
func (a *archive) write(ctx context.Context, f io.Writer, m *providers.Manifest, r providers.Records) (providers.Stored, error) {
	file := &counter{sum: sha256.New(), w: f}
	toDisk := newStage(file)
	compressor, err := formats[a.cfg.Compression].writer(toDisk, a.cfg.Level)
	if err != nil {
		return providers.Stored{}, errors.Join(err, toDisk.close())
	}
	plain := &counter{sum: sha256.New(), w: compressor}
	toCompressor := newStage(plain)
	p := &packer{tw: tar.NewWriter(toCompressor), stage: toCompressor, plain: plain, env: a.env, owners: newOwners(), fault: a.fault}

	// Every stage is closed, the earlier first, whatever failed. The first error
	// is told alone: a full disk makes each stage tell the same again.
	err = p.pack(ctx, m, r)
	for _, closing := range []func() error{toCompressor.close, compressor.Close, toDisk.close} {
		if e := closing(); err == nil {
			err = e
		}
	}
	if err != nil {
		return providers.Stored{}, err
	}
	return providers.Stored{Bytes: file.bytes, SHA256: file.digest()}, nil
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

// packer writes the entries of a backup.
type packer struct {
	tw     *tar.Writer
	stage  *stage
	plain  *counter
	env    providers.Env
	owners *owners
	done   providers.Progress
	fault  func(name string) error
}

func (p *packer) pack(ctx context.Context, m *providers.Manifest, r providers.Records) error {
	for _, art := range m.Artifacts {
		p.done.TotalFiles += art.Files
		p.done.TotalBytes += art.Bytes
	}
	for i := range m.Artifacts {
		art := &m.Artifacts[i]
		art.Files, art.Bytes, art.Holes, art.SHA256 = 0, 0, 0, ""
		if len(art.Trees) == 0 {
			continue
		}
		if err := p.packArtifact(ctx, entryPrefix(m.ID, art.Address), art, r[art.Address]); err != nil {
			return fmt.Errorf("archive %s: %w", art.Address, err)
		}
	}
	data, err := seal(inner(*m))
	if err != nil {
		return err
	}
	h := &tar.Header{
		Typeflag: tar.TypeReg, Name: manifestEntry(m.ID), Size: int64(len(data)),
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

// packArtifact writes the trees of one artifact. Its record is of an artifact
// that is one tree.
func (p *packer) packArtifact(ctx context.Context, prefix string, art *providers.Artifact, r providers.Record) error {
	// Everything before must be counted before this artifact's digest begins.
	if err := p.stage.sync(); err != nil {
		return err
	}
	p.plain.sum = sha256.New()
	above := folders{tw: p.tw, made: art.PointInTime}
	for _, tree := range slices.SortedFunc(slices.Values(art.Trees), byPlace) {
		n, err := above.enter(prefix, tree.Place)
		if err != nil {
			return err
		}
		art.Files += n
		t := &treePacker{packer: p, prefix: path.Join(prefix, tree.Place), art: art, links: map[filemeta.ID]stored{}}
		if art.Dir() != "" {
			t.compare = newComparison(r)
		}
		err = walk(ctx, reading{tree.Path, tree.LeaveOut.Matcher(), t.compare, p.fault}, t.add)
		if err == nil {
			err = t.compare.result(art)
		}
		if err := intact(ctx, r, err); err != nil {
			return err
		}
	}
	// Flush writes the padding of the last entry, which belongs to it.
	if err := p.tw.Flush(); err != nil {
		return err
	}
	if err := p.stage.sync(); err != nil {
		return err
	}
	art.SHA256 = p.plain.digest()
	return nil
}

// intact asks a record whether the tree was there all the time. If it was not, that
// is the reason of whatever else failed.
func intact(ctx context.Context, r providers.Record, failed error) error {
	if r == nil || ctx.Err() != nil {
		return failed
	}
	if err := r.Intact(ctx); err != nil {
		return err
	}
	return failed
}

// treePacker writes the entries of one tree. Once something differs from the
// record, it writes no more, and goes on comparing.
type treePacker struct {
	*packer
	prefix  string
	art     *providers.Artifact
	compare *comparison
	// links are the files with several names, by the first.
	links map[filemeta.ID]stored
}

// stored is a file that has its place in the archive, and its digest if there is
// a record.
type stored struct {
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
	isGood := !t.compare.damaged()
	if isGood {
		if err := t.tw.WriteHeader(h); err != nil {
			return fmt.Errorf("%s: %w", it.path(), err)
		}
	}
	t.art.Files++
	t.done.Files++
	switch {
	case isFile && link == "":
		err = t.content(it, name, isGood)
	case isFile:
		t.compare.hold(it, t.links[it.meta.ID].sum)
	case it.kind&fs.ModeSymlink != 0:
		t.compare.hold(it, providers.Sum([]byte(it.link)))
	}
	t.env.Report(t.done)
	return err
}

// content writes what a file holds, unless something differs already.
func (t *treePacker) content(it *item, name string, isGood bool) error {
	t.art.Bytes += it.meta.Size
	t.art.Holes += it.holes
	w := io.Discard
	if isGood {
		w = &reporter{p: t.packer}
	}
	sum, err := t.compare.copy(it, w)
	var unread *readError
	if errors.As(err, &unread) {
		return t.compare.fails(it.name, err)
	}
	if err != nil {
		return err
	}
	t.compare.hold(it, sum)
	if it.meta.Links > 1 {
		t.links[it.meta.ID] = stored{name, sum}
	}
	return nil
}

// reporter writes content and tells how far it has come.
type reporter struct{ p *packer }

func (r *reporter) Write(b []byte) (int, error) {
	n, err := r.p.tw.Write(b)
	r.p.done.Bytes += int64(n)
	if n >= smallFile/4 {
		r.p.env.Report(r.p.done)
	}
	return n, err
}

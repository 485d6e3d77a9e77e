package restic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bkp/internal/filemeta"
	"bkp/internal/problem"
	"bkp/providers"
)

const (
	manifestFile = "manifest.json"
	recordFile   = "record.json"
	// maxDocument bounds the memory that a forged repository may take.
	maxDocument = 64 << 20
	// maxArtifacts is far beyond what an instance has.
	maxArtifacts = 10_000

	manifestDamaged = "manifest is damaged"
	manifestNewer   = "manifest is of a newer version"
)

// document is the manifest as it lies in the repository. The record of a backup, which
// is written first, is one too, without what is known only afterwards. It has no
// digest of its own: restic authenticates all that it stores.
type document struct {
	Manifest providers.Manifest `json:"manifest"`
	// Trees of each part, by the address of the artifact.
	Trees map[string][]tree `json:"trees"`
}

// tree is one tree of an artifact.
type tree struct {
	Place string `json:"place"`
	// Snapshot is its id, and Tree the digest over all that it holds. A copy of the
	// repository has other snapshots of the same trees.
	Snapshot string `json:"snapshot,omitempty"`
	Tree     string `json:"tree,omitempty"`
	// Empty trees have no snapshot: restic makes none of nothing.
	Empty bool `json:"empty,omitempty"`
	// Root is what the folder itself carries.
	Root root `json:"root"`
}

// root is what the folder of a tree carries.
type root struct {
	Mode     fs.FileMode       `json:"mode"`
	HasOwner bool              `json:"has_owner"`
	UID      uint32            `json:"uid"`
	GID      uint32            `json:"gid"`
	ModTime  time.Time         `json:"mod_time"`
	Xattrs   map[string][]byte `json:"xattrs,omitempty"`
}

func rootOf(m filemeta.Meta) root {
	return root{Mode: m.Mode, HasOwner: m.HasOwner, UID: m.UID, GID: m.GID, ModTime: m.ModTime, Xattrs: m.Xattrs}
}

func (r root) meta() filemeta.Meta {
	return filemeta.Meta{Mode: r.Mode, HasOwner: r.HasOwner, UID: r.UID, GID: r.GID, ModTime: r.ModTime, Xattrs: r.Xattrs}
}

// inner is the manifest as it was before anything was stored: nothing is known there of
// archives, nor of paths of the machine that wrote it.
func inner(m providers.Manifest) providers.Manifest {
	m.Stored = nil
	m.Artifacts = slices.Clone(m.Artifacts)
	for i := range m.Artifacts {
		m.Artifacts[i].Trees = nil
	}
	return m
}

// readDocument reads the file of a snapshot. What was read once is kept in the state
// folder: an id stands for one content.
func (a *archive) readDocument(ctx context.Context, s snapshot, file string, uncached bool) (document, error) {
	kept := a.work(documentsDir, s.ID+".json")
	if !uncached {
		if data, err := os.ReadFile(kept); err == nil {
			if d, err := decode(data); err == nil {
				return d, nil
			}
		}
	}
	out := &bounded{most: maxDocument}
	if err := a.run(ctx, call{args: []string{"dump", s.ID, "/" + file}, reads: true, uncached: uncached, stdout: out}); err != nil {
		return document{}, err
	}
	d, err := decode(out.Bytes())
	if err == nil && !uncached {
		a.keepDocument(kept, out.Bytes())
	}
	return d, err
}

func decode(data []byte) (document, error) {
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		return d, problem.Wrap(err, manifestDamaged, restoreOther)
	}
	return d, nil
}

// keepDocument writes a copy, if there is a state folder. Without one it is read again
// the next time.
func (a *archive) keepDocument(path string, data []byte) {
	if _, err := os.Stat(a.env.WorkDir); err != nil || os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
}

// storeText stores a small file as a snapshot of its own, and returns its id.
func (a *archive) storeText(ctx context.Context, b providers.BackupID, file string, text io.Reader, tags ...string) (string, error) {
	args := append([]string{"backup", "--json", "--stdin", "--stdin-filename", file, "--host", a.host(b)}, a.tagsOf(b, tags...)...)
	var made string
	err := a.run(ctx, call{args: args, stdin: text, stdout: &lines{each: func(line []byte) error {
		var l summaryLine
		if err := json.Unmarshal(line, &l); err != nil {
			return err
		}
		made = l.made(made)
		return nil
	}}})
	if err == nil && !isHash(made) {
		err = a.misunderstood(call{args: args}, fmt.Errorf("it made the snapshot %q", made))
	}
	return made, err
}

// summaryLine is what backup prints at its end.
type summaryLine struct {
	Type     string `json:"message_type"`
	Snapshot string `json:"snapshot_id"`
}

// made is the snapshot that the line reports, or what was known before.
func (l summaryLine) made(before string) string {
	if l.Type == "summary" {
		return l.Snapshot
	}
	return before
}

func (a *archive) storeDocument(ctx context.Context, d document, file, tag string) error {
	data, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	_, err = a.storeText(ctx, d.Manifest.ID, file, bytes.NewReader(data), tag)
	return err
}

// load reads the manifest of b, whose snapshots are all. It says where the backup is
// now.
func (a *archive) load(ctx context.Context, b providers.BackupID, all set, uncached bool) (document, error) {
	manifests := all.only(tagManifest)
	if len(manifests) == 0 {
		return document{}, fmt.Errorf("%w: %s in %s", providers.ErrNotFound, b, a.shown())
	}
	d, err := a.readDocument(ctx, manifests[len(manifests)-1], manifestFile, uncached)
	if err != nil {
		return d, err
	}
	if err := plausible(d, b, true); err != nil {
		if p := asProblem(err); p != nil {
			return d, problem.New(p.Summary, a.at(b)+": "+p.Detail, p.Remedy)
		}
		return d, problem.Wrapf(err, manifestDamaged, restoreOther, "%s", a.at(b))
	}
	d.Manifest.Stored[0].Archive, d.Manifest.Stored[0].Location = a.env.Address, a.at(b)
	return d, nil
}

// missing are the addresses of the parts of d that are not among all snapshots. What
// is found has the id that it has now.
func (d *document) missing(all set) []string {
	var out []string
	for address, trees := range d.Trees {
		for i, t := range trees {
			id, ok := all.find(address, t)
			if !ok && !t.Empty && !slices.Contains(out, address) {
				out = append(out, address)
			}
			if ok {
				trees[i].Snapshot = id
			}
		}
	}
	slices.Sort(out)
	return out
}

// find is the snapshot of a tree: that of its id, or one of the same content.
func (s set) find(address string, t tree) (string, bool) {
	found := ""
	for _, x := range s.only(tagPart + encoded(address)) {
		if x.Tree == t.Tree && (found == "" || x.ID == t.Snapshot) && x.is(tagPlace+encoded(t.Place)) {
			found = x.ID
		}
	}
	return found, found != ""
}

// plausible refuses a document that this package cannot have written of b. stored is
// false for a record.
func plausible(d document, b providers.BackupID, stored bool) error {
	m := d.Manifest
	switch {
	case m.Format > providers.ManifestFormat:
		return problem.New(manifestNewer, fmt.Sprintf("format %d, this version of bkp reads up to %d", m.Format, providers.ManifestFormat), "use a newer version of bkp")
	case m.Format < 1:
		return fmt.Errorf("it has the format %d", m.Format)
	case m.ID != b:
		return fmt.Errorf("it is of backup %q", m.ID)
	case len(m.Artifacts) > maxArtifacts:
		return fmt.Errorf("it lists %d artifacts", len(m.Artifacts))
	case stored != (len(m.Stored) == 1):
		return fmt.Errorf("it names %d archives", len(m.Stored))
	}
	var seen []string
	for _, art := range m.Artifacts {
		if len(art.Trees) > 0 || art.Address == "" || slices.Contains(seen, art.Address) {
			return fmt.Errorf("artifact %q cannot be", art.Address)
		}
		seen = append(seen, art.Address)
	}
	for address, trees := range d.Trees {
		if !slices.Contains(seen, address) {
			return fmt.Errorf("it has a part %q, and no such artifact", address)
		}
		if err := plausibleTrees(trees, stored); err != nil {
			return fmt.Errorf("part %q: %w", address, err)
		}
	}
	if !stored {
		return nil
	}
	return plausibleParts(d)
}

func plausibleTrees(trees []tree, stored bool) error {
	if len(trees) == 0 || len(trees) > maxArtifacts {
		return fmt.Errorf("it has %d trees", len(trees))
	}
	for _, t := range trees {
		if t.Place != "" && !localName(t.Place) || !t.Root.Mode.IsDir() {
			return fmt.Errorf("it has the place %q", t.Place)
		}
		if stored && !t.Empty && (!isHash(t.Snapshot) || !isHash(t.Tree)) {
			return fmt.Errorf("%q cannot be its snapshot", t.Snapshot)
		}
	}
	return nil
}

func plausibleParts(d document) error {
	parts := d.Manifest.Stored[0].Parts
	if len(parts) != len(d.Trees) {
		return fmt.Errorf("it has %d parts, and trees of %d", len(parts), len(d.Trees))
	}
	var sum int64
	for address, p := range parts {
		if _, ok := d.Trees[address]; !ok {
			return fmt.Errorf("it has no trees of %q", address)
		}
		for _, n := range []int64{p.Files, p.Bytes, p.Holes, p.StoredBytes()} {
			if n < 0 || n > math.MaxInt64-sum {
				return fmt.Errorf("part %q has %d entries with %d bytes", address, p.Files, p.Bytes)
			}
			sum += n
		}
	}
	return nil
}

// localName reports whether name, with slashes, has only real names in it.
func localName(name string) bool {
	return fs.ValidPath(strings.ToValidUTF8(name, "_")) && name != "." && !strings.ContainsRune(name, 0)
}

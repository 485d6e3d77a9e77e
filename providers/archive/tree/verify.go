package tree

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"bkp/internal/filemeta"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/internal/shelf"
	"bkp/providers/archive/place"
)

const (
	treeMissing  = "tree is missing"
	treeDamaged  = "tree is damaged"
	indexDamaged = "index is damaged"
	fileExtra    = "unexpected file in the backup"
	unreadable   = "tree cannot be read"

	letRead = "let the user that runs bkp read it; if the disk does not, do not rely on this backup, and verify the others"
)

// Verify implements providers.Archiver.
func (a *archive) Verify(ctx context.Context, b providers.BackupID) ([]providers.Finding, error) {
	there, err := a.place.List(ctx, b)
	if err != nil {
		return nil, err
	}
	m, err := a.shelf().Load(ctx, b)
	if errors.Is(err, providers.ErrNotFound) && !hasPart(there) {
		return nil, err
	}
	var r providers.Report
	var known *problem.Problem
	switch {
	case errors.Is(err, providers.ErrNotFound):
		r.Add(problem.New(shelf.ManifestMissing, fmt.Sprintf("%s is not there, and other files of the backup are", a.place.At(place.Name(b, shelf.ManifestObject))), rebuildRemedy))
		return r.Findings, nil
	case errors.As(err, &known):
		r.Add(known)
		return r.Findings, nil
	case err != nil:
		return nil, err
	}
	a.extras(&r, m, there)
	done := shelf.NewProgress(a.env)
	for _, p := range m.Stored[0].Parts {
		done.Expect(p)
	}
	for _, address := range shelf.SortedParts(m.Stored[0]) {
		err := a.readPart(ctx, m, address, &reading{lose: ignore, done: done})
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			r.Add(a.asFinding(m, address, err))
		}
	}
	return r.Findings, nil
}

func ignore(string, filemeta.Loss) {}

// asFinding is about a part that is not what it was.
func (a *archive) asFinding(m providers.Manifest, address string, err error) *problem.Problem {
	at := a.place.At(place.Name(m.ID, document.PartName(address)))
	var known *problem.Problem
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, fs.ErrNotExist):
		return problem.New(treeMissing, fmt.Sprintf("%s of %s: %s or its index is missing", address, m.ID, at), shelf.RestoreOther)
	}
	return problem.Wrapf(err, unreadable, letRead, "%s", at)
}

// extras finds what lies among the parts of a backup and is none.
func (a *archive) extras(r *providers.Report, m providers.Manifest, there []place.Object) {
	known := []string{shelf.ManifestObject}
	for _, p := range m.Stored[0].Parts {
		for _, o := range p.Objects {
			known = append(known, o.Name)
		}
	}
	for _, o := range there {
		if !slices.Contains(known, own(o)) {
			r.Add(problem.New(fileExtra, a.place.At(o.Name)+" is no part of the backup, and lies among its files", "see who wrote it, and remove it"))
		}
	}
}

// readPart reads one part to its end, as to says, and compares all of it with its index,
// and that with the manifest.
func (a *archive) readPart(ctx context.Context, m providers.Manifest, address string, to *reading) error {
	part := m.Stored[0].Parts[address]
	name := document.PartName(address)
	if err := a.checkIndex(ctx, m.ID, name, part.Objects[1]); err != nil {
		return err
	}
	rec, err := a.compareTree(ctx, m.ID, name, to)
	if err != nil {
		return err
	}
	got := rec.part(name, part.Objects[1])
	if !slices.Equal(got.Objects, part.Objects) || got.Files != part.Files || got.Bytes != part.Bytes || got.Holes != part.Holes {
		return problem.New(treeDamaged, fmt.Sprintf("%s: it has %d entries with %d bytes, and had %d with %d", address, got.Files, got.Bytes, part.Files, part.Bytes), shelf.RestoreOther)
	}
	if !document.Same(document.Inner(m), rec.Manifest) || !slices.Equal(shelf.SortedParts(m.Stored[0]), rec.Parts) {
		return problem.New(shelf.ManifestDamaged, fmt.Sprintf("that of %s differs from what %s says of it", m.ID, a.place.At(indexName(m.ID, name))), shelf.RestoreOther)
	}
	return nil
}

// checkIndex compares an index with what the manifest says of it.
func (a *archive) checkIndex(ctx context.Context, b providers.BackupID, name string, want providers.Object) error {
	got, err := a.readIndex(ctx, b, name)
	if err != nil {
		return err
	}
	if got != want {
		return problem.New(indexDamaged, fmt.Sprintf("%s: SHA-256 is %s, it was written with %s", a.place.At(indexName(b, name)), got.SHA256, want.SHA256), shelf.RestoreOther)
	}
	return nil
}

// readIndex reads an index to its end, for its size and its digest.
func (a *archive) readIndex(ctx context.Context, b providers.BackupID, name string) (providers.Object, error) {
	f, err := a.place.Open(ctx, indexName(b, name), 0, -1)
	if err != nil {
		return providers.Object{}, err
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	return providers.Object{Name: name + indexSuffix, Bytes: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, err
}

// compareTree walks the tree of a part, as to says, and compares it with its index line
// by line.
func (a *archive) compareTree(ctx context.Context, b providers.BackupID, name string, to *reading) (record, error) {
	x, done, err := a.openIndex(ctx, b, name)
	if err != nil {
		return record{}, err
	}
	defer done()
	c, err := a.compareLines(ctx, b, name, x, to)
	if err != nil {
		return record{}, err
	}
	rec, err := x.record(b, name)
	if err == nil && (rec.Files != c.files || rec.Bytes != c.bytes) {
		err = fmt.Errorf("it lists %d entries with %d bytes, and its record says %d with %d", c.files, c.bytes, rec.Files, rec.Bytes)
	}
	if err != nil {
		return rec, a.badIndex(err, b, name)
	}
	return rec, nil
}

// openIndex opens the index of a part. The caller calls done.
func (a *archive) openIndex(ctx context.Context, b providers.BackupID, name string) (x *indexReader, done func(), err error) {
	f, err := a.place.Open(ctx, indexName(b, name), 0, -1)
	if err != nil {
		return nil, nil, err
	}
	if x, err = newIndexReader(f); err != nil {
		_ = f.Close()
		return nil, nil, a.badIndex(err, b, name)
	}
	return x, func() { _ = f.Close() }, nil
}

func (a *archive) badIndex(err error, b providers.BackupID, name string) error {
	return problem.Wrapf(err, indexDamaged, shelf.RestoreOther, "%s", a.place.At(indexName(b, name)))
}

// compareLines walks the tree of a part, as to says, and compares it with lines.
func (a *archive) compareLines(ctx context.Context, b providers.BackupID, name string, lines lineReader, to *reading) (*listing, error) {
	to.from = a.place.At(place.Name(b, name))
	info, err := os.Lstat(to.from)
	if err == nil && !info.IsDir() {
		err = problem.New(treeDamaged, to.from+" is no folder", shelf.RestoreOther)
	}
	if err != nil {
		return nil, err
	}
	to.fault = a.fault
	c := &listing{index: lines}
	if err := to.walk(ctx, c.visit); err != nil {
		return nil, err
	}
	if err := c.end(); err != nil {
		return nil, a.badIndex(err, b, name)
	}
	if p := c.result(to.from); p != nil {
		return nil, p
	}
	return c, nil
}

package tar

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/internal/shelf"
	"bkp/providers/archive/place"
)

const (
	archiveDamaged  = "archive is damaged"
	archiveMissing  = "archive is missing"
	artifactDamaged = "artifact is damaged"
	fileExtra       = "unexpected file in the backup"

	archiveUnreadable = "archive cannot be read"
)

// Verify implements providers.Archiver.
func (a *archive) Verify(ctx context.Context, b providers.BackupID) ([]providers.Finding, error) {
	there, err := a.place.List(ctx, b)
	if err != nil {
		return nil, err
	}
	m, err := a.shelf().Load(ctx, b)
	if errors.Is(err, providers.ErrNotFound) && len(there) == 0 {
		return nil, err
	}
	var r providers.Report
	switch {
	case errors.Is(err, providers.ErrNotFound):
		r.Add(problem.New(shelf.ManifestMissing, fmt.Sprintf("%s is not there, and other files of the backup are", a.place.At(place.Name(b, shelf.ManifestObject))), rebuildRemedy))
	case errors.Is(err, place.ErrUnavailable):
		return nil, err
	case err != nil:
		err = addProblem(&r, err)
		return r.Findings, err
	}
	a.extras(&r, m, there)
	if len(m.Stored) == 0 {
		return r.Findings, nil
	}
	if a.sealer != nil && m.Stored[0].Sealed == nil && !a.env.AcceptUnencrypted {
		p := a.notEncrypted(m)
		p.Severity = problem.Warning
		r.Add(p)
	}
	var undecrypted error
	a = a.counted(m.Stored[0])
	for _, address := range shelf.SortedParts(m.Stored[0]) {
		findings, err := a.readPart(ctx, m, address, skip{})
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.Is(err, place.ErrUnavailable):
			return r.Findings, err
		case errors.Is(err, providers.ErrNoIdentity):
			undecrypted = err
		case err != nil:
			a.addUnread(&r, m, address, err)
		}
		r.Findings = append(r.Findings, findings...)
	}
	switch {
	case undecrypted == nil || r.Failed():
		return r.Findings, nil
	case len(a.env.Identities) > 0:
		return nil, undecrypted
	}
	addUndecrypted(&r, m)
	return r.Findings, nil
}

// counted is the archive with progress in stored bytes: unlike files, these go on while
// one that is large is read.
func (a *archive) counted(st providers.Stored) *archive {
	out := *a
	out.read = shelf.NewProgress(a.env)
	out.read.Expect(providers.Part{Bytes: st.Size()})
	return &out
}

// addUnread is for a part that cannot be read to its end.
func (a *archive) addUnread(r *providers.Report, m providers.Manifest, address string, err error) {
	at := a.place.At(place.Name(m.ID, m.Stored[0].Parts[address].Objects[0].Name))
	var which *unopened
	if errors.As(err, &which) {
		at = a.place.At(which.name)
	}
	switch p := asProblem(err); {
	case p != nil:
		r.Add(p)
	case errors.Is(err, fs.ErrNotExist):
		r.Add(problem.New(archiveMissing, fmt.Sprintf("%s of %s: %s is missing", address, m.ID, at), shelf.RestoreOther))
	default:
		r.Add(problem.Wrapf(err, archiveUnreadable, "let the user that runs bkp read it", "%s", at))
	}
}

// readPart reads one part to its end, gives what is in it to a handler, and compares
// all of it with the manifest. What differs is a finding; an error is one of the
// handler, or of opening an object. With one that wraps ErrNoIdentity the findings
// are of the objects alone.
func (a *archive) readPart(ctx context.Context, m providers.Manifest, address string, to handler) ([]providers.Finding, error) {
	part := m.Stored[0].Parts[address]
	object := a.open(ctx, m.ID, namesOf(part))
	defer func() { _ = object.Close() }()
	f, _ := formatOf(part.Objects[0].Name) // plausible
	handled := &guarded{handler: to}
	got, err := read(ctx, object, wanted{b: m.ID, name: document.PartName(address), format: f, unseal: a.unsealer(ctx, f.method), most: &part}, handled)
	if object.failed != nil {
		return nil, object.failed
	}
	if errors.Is(err, place.ErrUnavailable) {
		return nil, err // nothing follows from it for the backup
	}
	if handled.err != nil {
		return nil, handled.err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var r providers.Report
	if errors.Is(err, providers.ErrNoIdentity) {
		if p := a.compareObjects(m.ID, part, got.objects); p != nil {
			r.Add(p)
		}
		return r.Findings, a.noIdentity(m, err)
	}
	if p := a.compareObjects(m.ID, part, got.objects); p != nil { // the cause of what follows
		r.Add(p)
	}
	if err != nil {
		r.Add(problem.Wrapf(err, artifactDamaged, shelf.RestoreOther, "%s in %s", address, a.place.At(place.Name(m.ID, part.Objects[0].Name))))
	}
	if err == nil {
		a.compareRecord(&r, m, address, got.record)
	}
	return r.Findings, nil
}

// guarded keeps the error of a handler apart from those of reading.
type guarded struct {
	handler
	err error
}

func (g *guarded) entry(name string, h *tar.Header, r io.Reader) error {
	err := g.handler.entry(name, h, r)
	if err != nil {
		g.err = fmt.Errorf("entry %q: %w", h.Name, err)
	}
	return err
}

func (g *guarded) end() error {
	g.err = g.handler.end()
	return g.err
}

// extras finds files that pass for objects of the backup and are none, such as a
// second archive of another compression or a part of one that a killed run
// left: nobody could say which of them is the backup.
func (a *archive) extras(r *providers.Report, m providers.Manifest, there []place.Object) {
	known := []string{shelf.ManifestObject}
	if len(m.Stored) > 0 {
		for _, p := range m.Stored[0].Parts {
			known = append(known, namesOf(p)...)
		}
	}
	for _, o := range there {
		if _, own := place.Split(o.Name); len(m.Stored) > 0 && !slices.Contains(known, own) {
			r.Add(problem.New(fileExtra, a.place.At(o.Name)+" is no part of the backup, and lies among its files", "see who wrote it, and remove it"))
		}
	}
}

func addProblem(r *providers.Report, err error) error {
	if p := asProblem(err); p != nil {
		r.Add(p)
		return nil
	}
	return err
}

func asProblem(err error) *problem.Problem {
	var p *problem.Problem
	if errors.As(err, &p) {
		return p
	}
	return nil
}

// compareObjects compares the objects of a part, as far as they were read, with what
// the manifest says of them.
func (a *archive) compareObjects(b providers.BackupID, want providers.Part, got []providers.Object) *problem.Problem {
	for i, o := range got {
		if p := a.compareObject(b, want.Objects[i], o); p != nil {
			return p
		}
	}
	return nil
}

func (a *archive) compareObject(b providers.BackupID, want, got providers.Object) *problem.Problem {
	at := a.place.At(place.Name(b, want.Name))
	switch {
	case want.Bytes != got.Bytes:
		return problem.New(archiveDamaged, fmt.Sprintf("%s has %d bytes, it was written with %d", at, got.Bytes, want.Bytes), shelf.RestoreOther)
	case want.SHA256 != got.SHA256:
		return problem.New(archiveDamaged, fmt.Sprintf("%s: SHA-256 is %s, it was written with %s", at, got.SHA256, want.SHA256), shelf.RestoreOther)
	}
	return nil
}

// compareRecord compares the record of a part with the manifest.
func (a *archive) compareRecord(r *providers.Report, m providers.Manifest, address string, rec record) {
	part := m.Stored[0].Parts[address]
	if part.Files != rec.Files || part.Bytes != rec.Bytes || part.Holes != rec.Holes {
		r.Add(problem.New(artifactDamaged, fmt.Sprintf("%s: it has %d entries with %d bytes, and had %d with %d", address, rec.Files, rec.Bytes, part.Files, part.Bytes), shelf.RestoreOther))
	}
	if !document.Same(document.Inner(m), rec.Manifest) || !slices.Equal(shelf.SortedParts(m.Stored[0]), rec.Parts) || !sameSealed(m.Stored[0].Sealed, rec.Sealed) {
		r.Add(problem.New(shelf.ManifestDamaged, fmt.Sprintf("that of %s differs from what %s says of it", m.ID, a.place.At(place.Name(m.ID, part.Objects[0].Name))), shelf.RestoreOther))
	}
}

// skip is the handler of what is only read.
type skip struct{}

func (skip) entry(string, *tar.Header, io.Reader) error { return nil }
func (skip) end() error                                 { return nil }

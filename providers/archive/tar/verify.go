package tar

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

const (
	archiveDamaged  = "archive is damaged"
	archiveMissing  = "archive is missing"
	artifactDamaged = "artifact is damaged"
	fileExtra       = "file is too many"

	archiveIrregular = "archive is not a file"

	archiveUnreadable = "archive cannot be read"
)

// Verify implements providers.Archiver.
func (a *archive) Verify(ctx context.Context, b providers.BackupID) ([]providers.Finding, error) {
	path, f, errArchive := a.find(b)
	m, errManifest := a.load(b)
	if errors.Is(errManifest, providers.ErrNotFound) && errArchive != nil {
		return nil, errManifest
	}
	var r providers.Report
	if irregular := asProblem(errArchive); irregular != nil {
		r.Add(irregular)
		return r.Findings, nil
	}
	if err := a.extras(&r, b, path); err != nil {
		return nil, err
	}
	if errors.Is(errManifest, providers.ErrNotFound) {
		r.Add(problem.New(manifestMissing, fmt.Sprintf("%s is not there, and the archive is", a.manifestPath(b)), rebuildRemedy))
	} else if errManifest != nil {
		if err := addProblem(&r, errManifest); err != nil {
			return nil, err
		}
	}
	if errArchive != nil {
		if !errors.Is(errArchive, providers.ErrNotFound) {
			return r.Findings, errArchive
		}
		r.Add(problem.New(archiveMissing, fmt.Sprintf("%s has a manifest, but no archive", b), restoreOther))
		return r.Findings, nil
	}
	var most bounds
	if errManifest == nil {
		most = boundsOf(m)
	}
	file, err := host.OpenRegular(path)
	if err != nil {
		return r.Findings, problem.Wrap(err, archiveUnreadable, "let the user that runs bkp read it")
	}
	defer func() { _ = file.Close() }()
	c, err := read(ctx, file, f, b, most, func(string) (handler, error) { return skip{}, nil })
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		r.Add(problem.Wrapf(err, archiveDamaged, restoreOther, "%s", path))
	}
	if errManifest == nil {
		compareFile(&r, m, c, path)
		compareParts(&r, m, c)
	}
	if err == nil {
		compareParts(&r, c.manifest, c)
		if errManifest == nil {
			compareManifests(&r, m, c, path)
		}
	}
	return unique(r.Findings), nil
}

// extras finds files that pass for parts of the backup and are none, such as a
// second archive of another compression or a part of one that a killed run
// left: nobody could tell which of them is the backup.
func (a *archive) extras(r *providers.Report, b providers.BackupID, archive string) error {
	entries, err := os.ReadDir(a.cfg.Destination)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := strings.TrimPrefix(e.Name(), ".")
		path := filepath.Join(a.cfg.Destination, e.Name())
		if strings.HasPrefix(name, string(b)+".") && path != archive && path != a.manifestPath(b) {
			r.Add(problem.New(fileExtra, path+" is no part of the backup, but bears its name", "see who wrote it, and remove it"))
		}
	}
	return nil
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

// compareFile compares the file with what the manifest beside it says.
func compareFile(r *providers.Report, m providers.Manifest, c content, path string) {
	if len(m.Stored) != 1 {
		r.Add(problem.New(manifestDamaged, fmt.Sprintf("%s: the manifest tells of %d files", path, len(m.Stored)), restoreOther))
		return
	}
	s := m.Stored[0]
	if s.Bytes != c.bytes {
		r.Add(problem.New(archiveDamaged, fmt.Sprintf("%s has %d bytes, it was written with %d", path, c.bytes, s.Bytes), restoreOther))
	} else if s.SHA256 != c.sha256 {
		r.Add(problem.New(archiveDamaged, fmt.Sprintf("%s: SHA-256 is %s, it was written with %s", path, c.sha256, s.SHA256), restoreOther))
	}
}

// compareManifests compares the one beside the archive with the one inside.
func compareManifests(r *providers.Report, m providers.Manifest, c content, path string) {
	if !same(inner(m), c.manifest) {
		r.Add(problem.New(manifestDamaged, fmt.Sprintf("that inside %s differs from that beside it", path), restoreOther))
	}
}

// compareParts compares the artifacts with what a manifest says of them.
func compareParts(r *providers.Report, m providers.Manifest, c content) {
	known := map[string]bool{}
	for _, art := range m.Artifacts {
		prefix := entryPrefix(m.ID, art.Address)
		known[prefix] = true
		if err := comparePart(art, c.parts[prefix]); err != nil {
			r.Add(problem.Wrapf(err, artifactDamaged, restoreOther, "%s", art.Address))
		}
	}
	for prefix := range c.parts {
		if !known[prefix] {
			r.Add(problem.New(archiveDamaged, fmt.Sprintf("%s/ is in the archive, but not in its manifest", prefix), restoreOther))
		}
	}
}

func comparePart(art providers.Artifact, got part) error {
	switch {
	case art.SHA256 == got.sha256 && art.Files == got.files && art.Bytes == got.bytes:
		return nil
	case got.sha256 == "":
		return errors.New("it is not in the archive, or cannot be read to its end")
	case art.Files != got.files || art.Bytes != got.bytes:
		return fmt.Errorf("it has %d entries with %d bytes, and had %d with %d", got.files, got.bytes, art.Files, art.Bytes)
	default:
		return fmt.Errorf("SHA-256 is %s, and was %s", got.sha256, art.SHA256)
	}
}

// same compares manifests as they are written.
func same(a, b providers.Manifest) bool {
	x, errX := encodeManifest(a)
	y, errY := encodeManifest(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// unique drops findings that both manifests gave rise to.
func unique(findings []providers.Finding) []providers.Finding {
	var out []providers.Finding
	for _, f := range findings {
		if !slices.ContainsFunc(out, func(o providers.Finding) bool { return o.Summary == f.Summary && o.Detail == f.Detail }) {
			out = append(out, f)
		}
	}
	return out
}

// skip is the handler of what is only read.
type skip struct{}

func (skip) entry(string, *tar.Header, io.Reader) error { return nil }
func (skip) end() error                                 { return nil }

// Package shelf is what archives do alike that keep the parts of a backup in a place,
// whatever a part is: they take the id, write the manifest last and read it again,
// list, and count.
//
// It leaves out how a part is written, and what is wrong with one.
package shelf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/internal/claim"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/place"
)

// ManifestObject is written last. No part has the name: theirs have a suffix of their
// format.
const ManifestObject = "manifest.json"

// Summaries and remedies of what may be wrong with a manifest.
const (
	ManifestDamaged = "manifest is damaged"
	ManifestMissing = "manifest is missing"
	RestoreOther    = "do not rely on this backup; verify the others, and find out what damages the storage"
)

// maxManifest bounds the memory that a damaged archive may take, in bytes.
const maxManifest = 64 << 20

// Shelf is one archive.
type Shelf struct {
	Place place.Place
	Env   providers.Env
	// Plausible refuses a manifest whose parts no archive of the format can have
	// written.
	Plausible func(m providers.Manifest) error
}

// Claims are the ids that the archive holds.
func (s Shelf) Claims() claim.Claims { return claim.Claims{Place: s.Place, WorkDir: s.Env.WorkDir} }

// Storing is how an archive of one format stores a backup.
type Storing struct {
	// IsWhole reports whether all parts of there are among the objects of its id.
	IsWhole func(there providers.Manifest, objects []place.Object) bool
	// Delete removes all of a backup, its manifest first.
	Delete func(ctx context.Context, b providers.BackupID) error
	// Write writes the parts of a backup, and commits it.
	Write func(ctx context.Context) (providers.Stored, error)
}

// Store does what providers.Archiver says of it.
func (s Shelf) Store(ctx context.Context, m providers.Manifest, how Storing) (providers.Stored, error) {
	if _, err := providers.ParseBackupID(string(m.ID)); err != nil {
		return providers.Stored{}, err
	}
	for _, art := range m.Artifacts {
		if err := document.CheckPlaces(art); err != nil {
			return providers.Stored{}, err
		}
	}
	if err := s.Claims().Hold(ctx, m.ID); err != nil {
		return providers.Stored{}, err
	}
	stored, err := s.store(ctx, m, how)
	unclaimed := s.Place.Unclaim(context.WithoutCancel(ctx), m.ID)
	if err != nil {
		return providers.Stored{}, errors.Join(err, unclaimed)
	}
	// A backup that is stored is no failure because of this. Discard tries again.
	if unclaimed != nil {
		s.Env.Warning("the id is still reserved: " + unclaimed.Error())
	}
	return stored, nil
}

// store is Store, while the id is the archive's.
func (s Shelf) store(ctx context.Context, m providers.Manifest, how Storing) (providers.Stored, error) {
	there, err := s.Load(ctx, m.ID)
	if err == nil {
		err = s.Claims().Mine(there, m)
	}
	if err != nil && !errors.Is(err, providers.ErrNotFound) {
		return providers.Stored{}, err
	}
	if err == nil {
		objects, err := s.Place.List(ctx, m.ID)
		if err != nil || how.IsWhole(there, objects) {
			return there.Stored[0], err
		}
	}
	// Whatever else lies there, no manifest may speak for it.
	if err := how.Delete(ctx, m.ID); err != nil {
		return providers.Stored{}, err
	}
	stored, err := how.Write(ctx)
	if err != nil {
		// A backup that counts as not stored must not lie here.
		return stored, errors.Join(err, how.Delete(context.WithoutCancel(ctx), m.ID))
	}
	return stored, nil
}

// Commit writes the manifest. From then on the backup is there.
func (s Shelf) Commit(ctx context.Context, m providers.Manifest, stored providers.Stored) error {
	m = document.Inner(m)
	m.Stored = []providers.Stored{stored}
	data, err := document.Seal("manifest", m)
	if err != nil {
		return err
	}
	return s.Place.Create(ctx, place.Name(m.ID, ManifestObject), func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(data))
		return err
	})
}

// Load reads the manifest of b. It says where the backup lies now. The error wraps
// providers.ErrNotFound if it is not there, place.ErrUnavailable if nobody knows, and is
// a *problem.Problem if the manifest cannot be relied on.
func (s Shelf) Load(ctx context.Context, b providers.BackupID) (providers.Manifest, error) {
	name := place.Name(b, ManifestObject)
	data, err := s.read(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return providers.Manifest{}, fmt.Errorf("%w: %s in %s", providers.ErrNotFound, b, s.Place.Destination().Name)
	case ctx.Err() != nil:
		return providers.Manifest{}, context.Cause(ctx)
	case errors.Is(err, place.ErrUnavailable):
		return providers.Manifest{}, err
	case err != nil:
		return providers.Manifest{}, problem.Wrap(err, "manifest cannot be read", "let the user that runs bkp read it")
	}
	m, err := s.Open(data, b)
	var known *problem.Problem
	switch {
	case errors.As(err, &known):
		return m, problem.New(known.Summary, s.Place.At(name)+": "+known.Detail, known.Remedy)
	case err != nil:
		return m, problem.Wrapf(err, ManifestDamaged, RestoreOther, "%s", s.Place.At(name))
	}
	m.Stored[0].Archive, m.Stored[0].Location = s.Env.Address, s.Place.At(string(b))
	return m, nil
}

// Open reads what Commit wrote of a backup.
func (s Shelf) Open(data []byte, b providers.BackupID) (providers.Manifest, error) {
	m, err := document.Open[providers.Manifest]("manifest", data)
	if err != nil {
		return m, err
	}
	if err := document.Check(m, b); err != nil {
		return m, err
	}
	if len(m.Stored) != 1 {
		return m, fmt.Errorf("it names %d archives", len(m.Stored))
	}
	return m, s.Plausible(m)
}

func (s Shelf) read(ctx context.Context, name string) ([]byte, error) {
	r, err := s.Place.Open(ctx, name, 0, maxManifest+1)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	data, err := io.ReadAll(r)
	if err == nil && len(data) > maxManifest {
		err = fmt.Errorf("%s has more than %d bytes", s.Place.At(name), maxManifest)
	}
	return data, err
}

// Backup is what lies in the place under one id.
type Backup struct {
	ID providers.BackupID
	// Objects are sorted by name.
	Objects []place.Object
}

// Backups are all that lie in the place, by their ids, those of other instances too.
func (s Shelf) Backups(ctx context.Context) ([]Backup, error) {
	all, err := s.Place.List(ctx, "")
	var out []Backup
	for _, o := range all {
		b, _ := place.Split(o.Name)
		if len(out) == 0 || out[len(out)-1].ID != b {
			out = append(out, Backup{ID: b})
		}
		last := &out[len(out)-1]
		last.Objects = append(last.Objects, o)
	}
	return out, err
}

// List asks one about each backup of the instance, and returns the manifests with the
// newest first. Backups of other instances are no business of it: hundreds may share a
// destination.
func (s Shelf) List(ctx context.Context, one func(context.Context, Backup) (*providers.Manifest, *providers.Finding, error)) ([]providers.Manifest, []providers.Finding, error) {
	all, err := s.Backups(ctx)
	if err != nil {
		return nil, nil, err
	}
	var out []providers.Manifest
	var r providers.Report
	for _, b := range all {
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		if s.Env.Instance.Name != "" && b.ID.Instance() != s.Env.Instance.Name {
			continue
		}
		m, finding, err := one(ctx, b)
		if err != nil {
			return nil, nil, err
		}
		if finding != nil {
			r.Add(finding)
		}
		if m != nil {
			out = append(out, *m)
		}
	}
	slices.SortFunc(out, func(x, y providers.Manifest) int {
		if c := y.ID.Time().Compare(x.ID.Time()); c != 0 {
			return c
		}
		return strings.Compare(string(x.ID), string(y.ID))
	})
	return out, r.Findings, nil
}

// SortedParts are the addresses of what an archive holds of a backup.
func SortedParts(s providers.Stored) []string { return slices.Sorted(maps.Keys(s.Parts)) }

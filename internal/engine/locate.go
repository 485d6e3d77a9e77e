package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bkp/internal/engine/restore"
	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/lang"
	"bkp/providers"
)

// locate finds a backup: in the catalog, else in the archives themselves. from is the
// address of the only archive to look in, "" for all.
func (eng *Engine) locate(ctx context.Context, id providers.BackupID, o *opened, from string) (providers.Manifest, restore.Plan, error) {
	p := restore.Plan{ID: id, StateDir: eng.Config.StateDir}
	sources, err := eng.sourcesFrom(id, o, from)
	if err != nil {
		return providers.Manifest{}, p, err
	}
	m, source, err := restore.Find(ctx, id, sources)
	if from != "" && errors.Is(err, providers.ErrNotFound) {
		return m, p, problem.Wrapf(err, "the archive does not have the backup", "see which archives have it, and restore from one of them:\n\n    bkp list --refresh\n", "%s", from)
	}
	if err == nil && !m.Archived() && eng.superseded(id) {
		return m, p, superseded(id)
	}
	if err == nil {
		err = eng.changed(m, source.Address)
	}
	if err == nil {
		p.Archive, p.ArchiveAddress = source.Archiver, source.Address
		st, _ := m.In(source.Address)
		p.Location = st.Location
		return m, p, nil
	}
	if !errors.Is(err, providers.ErrNotFound) {
		return m, p, err
	}
	var fault *problem.Problem
	if errors.As(err, &fault) {
		return m, p, problem.New(fault.Summary, fault.Detail, fault.Remedy) // an archive has it, and says what is wrong
	}
	// Not in any archive: perhaps still where it was captured.
	e, cerr := eng.Catalog().Get(id)
	if cerr != nil {
		return m, p, err
	}
	if !e.Manifest.Of(o.instance.Name, o.instance.URL) {
		return m, p, elsewhere(e.Manifest, o.instance)
	}
	if e.Status == catalog.Superseded {
		return m, p, superseded(id)
	}
	if e.Status == catalog.Complete && e.Manifest.Archived() {
		return m, p, gone(e.Manifest, o)
	}
	return e.Manifest, p, nil
}

// sources are the archives that may hold a backup. Those in which the last
// verification found damage are the last to be asked.
func (eng *Engine) sources(id providers.BackupID, o *opened) []restore.Source {
	e, _ := eng.Catalog().Get(id) // without a record nothing is known of damage
	var out, damaged []restore.Source
	for _, a := range o.shelves() {
		source := restore.Source{Address: a.Address, Archiver: a.Archiver}
		if e.DamagedIn(a.Address) {
			damaged = append(damaged, source)
		} else {
			out = append(out, source)
		}
	}
	return append(out, damaged...)
}

// sourcesFrom is sources, or from alone, if it is named.
func (eng *Engine) sourcesFrom(id providers.BackupID, o *opened, from string) ([]restore.Source, error) {
	all := eng.sources(id, o)
	if from == "" {
		return all, nil
	}
	_, err := o.named(from)
	return slices.DeleteFunc(all, func(s restore.Source) bool { return s.Address != from }), err
}

// gone explains why no archive has a backup that the catalog knows as stored.
func gone(m providers.Manifest, o *opened) error {
	known := m.Stored[0]
	at := known.Location
	var where providers.Destination
	if a, ok := o.shelf(known.Archive); ok {
		where = a.Archiver.Destination()
	}
	if where.Name != "" && !strings.HasPrefix(at, where.Name) {
		return problem.New("the archive is in another place", fmt.Sprintf("the catalog says that %s is at %s, and %s of this configuration looks in %s", m.ID, at, known.Archive, where.Name),
			"move all of the backup there, or set destination to where it is")
	}
	if _, err := os.Stat(at); err == nil && where.Folder != "" {
		return problem.New("the archive has lost its manifest", fmt.Sprintf("%s is there, but the manifest in it is missing or damaged, so it cannot be checked", at),
			"bring the manifest back; or make it again from the parts, if all that is in them fits its checksums:\n\n    bkp list --refresh")
	}
	return problem.New("the archive is missing", fmt.Sprintf("the catalog says that %s is at %s", m.ID, at), "bring all of it back, or restore another backup")
}

// changed refuses an archive that is whole in itself, and is not the one that
// the catalog knows.
func (eng *Engine) changed(m providers.Manifest, archive string) error {
	e, err := eng.Catalog().Get(m.ID)
	if err != nil {
		return nil //nolint:nilerr // a catalog that knows nothing contradicts nothing
	}
	known, _ := e.Manifest.In(archive)
	now, _ := m.In(archive)
	for address, want := range known.Parts {
		got, ok := now.Copy(address)
		if !ok || slices.Equal(got.Objects, want.Objects) {
			continue
		}
		return problem.New("the archive was replaced", fmt.Sprintf("%s in %s has SHA-256 %s, and the catalog expects %s", address, now.Location, got.Digest(), want.Digest()),
			"find out who replaced it; if it is the one you want, remove the old one from the catalog:\n\n    rm "+filepath.Join(eng.Catalog().Dir, string(m.ID)+".json"))
	}
	return nil
}

// elsewhere explains why the archives of the configuration do not hold a backup.
func elsewhere(m providers.Manifest, i *lang.Instance) error {
	return problem.New("the backup is of another instance", fmt.Sprintf("%s was made of %s, and %s of this configuration is at %s; its archives do not hold it", m.ID, m.URL, i.Address, i.URL),
		"use the configuration, or the file of values, that made it; or give the address of its archive here")
}

func (eng *Engine) superseded(id providers.BackupID) bool {
	e, err := eng.Catalog().Get(id)
	return err == nil && e.Status == catalog.Superseded
}

func superseded(id providers.BackupID) error {
	return problem.New("the backup no longer exists", fmt.Sprintf("%s was only in the working copy, and a later run has changed it", id), "restore a newer one:\n\n    bkp list")
}

// Entry finds a backup in the catalog, else in the archives.
func (eng *Engine) Entry(ctx context.Context, id providers.BackupID) (catalog.Entry, error) {
	e, err := eng.Catalog().Get(id)
	if err == nil || !errors.Is(err, providers.ErrNotFound) {
		return e, err
	}
	inst, ok := eng.Config.Instance(id.Instance())
	if !ok || eng.Offline {
		return e, err
	}
	o, oerr := eng.open(inst, event.Discard{}, 1)
	if oerr != nil {
		return e, oerr
	}
	defer o.close()
	m, _, err := eng.locate(ctx, id, o, "")
	return catalog.Entry{Manifest: m, Status: catalog.Complete}, err
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"bkp/internal/engine/restore"
	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/lang"
	"bkp/providers"
)

// locate finds a backup: in the catalog, else in the archives themselves.
func (eng *Engine) locate(ctx context.Context, id providers.BackupID, o *opened) (providers.Manifest, restore.Plan, error) {
	p := restore.Plan{ID: id, StateDir: eng.Config.StateDir}
	sources := eng.sources(id, o)
	m, source, err := restore.Find(ctx, id, sources)
	if err == nil && !m.Archived() && eng.superseded(id) {
		return m, p, superseded(id)
	}
	if err == nil {
		err = eng.changed(m, source.Address)
	}
	if err == nil {
		p.Archive, p.ArchiveAddress = source.Archiver, source.Address
		for _, st := range m.Stored {
			if st.Archive == source.Address {
				p.Location = st.Location
			}
		}
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
	if len(e.Manifest.Stored) > 0 && e.Status == "complete" && e.Manifest.Archived() {
		at := e.Manifest.Stored[0].Location
		if where := destinationOf(o, e.Manifest.Stored[0].Archive); where != "" && filepath.Dir(at) != where {
			return m, p, problem.New("the archive is in another folder", fmt.Sprintf("the catalog says that %s is at %s, and %s of this configuration looks in %s", id, at, e.Manifest.Stored[0].Archive, where),
				"move the archive and its manifest there, or set destination to the folder that they are in")
		}
		if _, serr := os.Stat(at); serr == nil {
			return m, p, problem.New("the archive has lost its manifest", fmt.Sprintf("%s is there, but the manifest beside it is missing or damaged, so it cannot be checked", at),
				"bring the manifest back; or make it again from the archive, if all that is in there fits its checksums:\n\n    bkp list --refresh")
		}
		return m, p, problem.New("the archive is missing", fmt.Sprintf("the catalog says that %s is at %s", id, at), "bring the file and its manifest back, or restore another backup")
	}
	return e.Manifest, p, nil
}

// sources are the archives that may hold a backup. Those in which the last
// verification found damage are the last to be asked.
func (eng *Engine) sources(id providers.BackupID, o *opened) []restore.Source {
	e, _ := eng.Catalog().Get(id) // without a record nothing is known of damage
	var out, damaged []restore.Source
	for _, a := range o.archives {
		source := restore.Source{Address: a.Address, Archiver: a.Archiver}
		if e.DamagedIn(a.Address) {
			damaged = append(damaged, source)
		} else {
			out = append(out, source)
		}
	}
	return append(out, damaged...)
}

// destinationOf is the folder in which an archive looks for backups, "" if it has
// none.
func destinationOf(o *opened, address string) string {
	if l, ok := o.archivers[address].(providers.Located); ok {
		return l.Destination()
	}
	return ""
}

// changed refuses an archive that is whole in itself, and is not the one that
// the catalog knows.
func (eng *Engine) changed(m providers.Manifest, archive string) error {
	e, err := eng.Catalog().Get(m.ID)
	if err != nil {
		return nil //nolint:nilerr // a catalog that knows nothing contradicts nothing
	}
	for _, known := range e.Manifest.Stored {
		for _, now := range m.Stored {
			if known.Archive != archive || now.Archive != archive || known.SHA256 == now.SHA256 && known.Bytes == now.Bytes {
				continue
			}
			return problem.New("the archive is another one", fmt.Sprintf("%s has SHA-256 %s, and the catalog knows it as %s", now.Location, now.SHA256, known.SHA256),
				"find out who replaced it; if it is the one you want, take the old one off the catalog:\n\n    rm "+filepath.Join(eng.Catalog().Dir, string(m.ID)+".json"))
		}
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
	return problem.New("the backup is gone", fmt.Sprintf("%s was kept in the working copy alone, and a later run has changed that", id), "restore a newer one:\n\n    bkp list")
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
	m, _, err := eng.locate(ctx, id, o)
	return catalog.Entry{Manifest: m, Status: catalog.Complete}, err
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bkp/internal/catalog"
	"bkp/internal/event"
	"bkp/internal/planner"
	"bkp/internal/problem"
	"bkp/internal/restore"
	"bkp/lang"
	"bkp/providers"
)

type restoreCmd struct {
	ID          string   `arg:"" help:"Id of the backup; see bkp list."`
	Home        string   `placeholder:"DIR" help:"Restore the home into this folder instead."`
	Database    string   `placeholder:"NAME" help:"Restore into this database instead, on the same server."`
	Target      []string `placeholder:"ADDRESS" help:"Only this component; may be repeated."`
	AutoApprove bool     `help:"Do not ask."`
}

// Help is shown by bkp restore --help.
func (restoreCmd) Help() string {
	return `Checks, shows what it will do, asks, and does it: the home first, then the
database. Bitbucket must be stopped. A home that is not empty and a database
that has tables are refused; nothing is ever written over.

Examples:
  bkp restore prod-20261122T214431Z
  bkp restore prod-20261122T214431Z --home /srv/standby --database standby

` + exitCodes
}

func (c *restoreCmd) Run(ctx context.Context, s *session) error {
	id, err := providers.ParseBackupID(c.ID)
	if err != nil {
		return usagef("%s", err)
	}
	if err := s.load(); err != nil {
		return err
	}
	lock, err := s.runLock()
	if err != nil {
		return err
	}
	defer func() { _ = lock.Unlock() }()
	s.doubtful(s.cleanRestore()) // who needs a restore now is not kept from it
	sink, done := s.sink()
	defer done()
	p, m, err := c.plan(ctx, s, id, sink)
	if err != nil {
		return err
	}
	found, err := restore.Check(ctx, &p)
	if err != nil {
		return interruptedBy(ctx, err)
	}
	var findings []planner.Finding
	for _, f := range found {
		findings = append(findings, planner.Finding{Address: f.Address, Problem: f.Problem})
	}
	misplaced, err := c.misplaced(s, id.Instance())
	if err != nil {
		return err
	}
	if err := s.findings(append(findings, misplaced...)); err != nil {
		return err
	}
	if !s.JSON {
		s.out.Restore(p, m.Created)
	}
	if !c.AutoApprove {
		if err := s.ask("Restore this backup?"); err != nil {
			return err
		}
	}
	if err := restore.Run(ctx, p, sink); err != nil {
		return interruptedBy(ctx, err)
	}
	sink.Emit(event.Event{Time: time.Now(), Kind: event.Summary, Backup: string(id), Message: fmt.Sprintf("restored %s; start Bitbucket when you are ready", id)})
	return nil
}

// cleanRestore removes what a restore left that was killed. The caller holds the
// run lock.
func (s *session) cleanRestore() error {
	id, err := restore.Clean(s.config.StateDir)
	if err == nil && id != "" {
		s.say("a restore of %s was cut off; what it had unpacked was removed, and what it had restored by then is still there", id)
	}
	return err
}

// doubtful tells of an error that stops nothing.
func (s *session) doubtful(err error) {
	if err != nil {
		s.doubt(err.Error(), problem.Remedy(err))
	}
}

// plan finds the backup and the strategies that bring it back.
func (c *restoreCmd) plan(ctx context.Context, s *session, id providers.BackupID, sink event.Sink) (restore.Plan, providers.Manifest, error) {
	inst, ok := s.config.Instance(id.Instance())
	if !ok {
		return restore.Plan{}, providers.Manifest{}, problem.New("no such instance", fmt.Sprintf("the configuration has no instance %q, which %s is a backup of", id.Instance(), id),
			"add the instance, or restore with the configuration that made the backup")
	}
	o, err := s.open(inst, sink, 0)
	if err != nil {
		return restore.Plan{}, providers.Manifest{}, err
	}
	m, p, err := s.locate(ctx, id, o)
	if err != nil {
		return p, m, err
	}
	if err := c.known(m); err != nil {
		return p, m, err
	}
	for _, a := range m.Artifacts {
		if len(c.Target) > 0 && !slices.Contains(c.Target, a.Address) {
			continue
		}
		strategy, err := c.strategy(inst, o, a)
		if err != nil {
			return p, m, err
		}
		p.Parts = append(p.Parts, restore.Part{Artifact: a, Strategy: strategy, WorkDir: s.workDir(inst, a.Address)})
	}
	inside := !slices.ContainsFunc(p.Parts, func(part restore.Part) bool { return part.Artifact.SHA256 != "" || part.Artifact.Tree != "" })
	if p.Archive != nil && len(p.Parts) > 0 && inside {
		return p, m, usagef("%s lies inside the home: restore the home", strings.Join(c.Target, ", "))
	}
	if len(p.Parts) == 0 {
		return p, m, problem.New("nothing to restore", fmt.Sprintf("backup %s holds nothing", id), "choose another one:\n\n    bkp list")
	}
	return p, m, nil
}

// known refuses a target that the backup does not hold.
func (c *restoreCmd) known(m providers.Manifest) error {
	var held []string
	for _, a := range m.Artifacts {
		held = append(held, a.Address)
	}
	for _, t := range c.Target {
		if !slices.Contains(held, t) && len(held) > 0 {
			return wrongTarget(fmt.Sprintf("backup %s does not hold %s", m.ID, t), t, held)
		}
	}
	return nil
}

// strategy returns the one that restores a, led to its target.
func (c *restoreCmd) strategy(inst *lang.Instance, o *opened, a providers.Artifact) (providers.Strategy, error) {
	st, ok := o.strategies[a.Address]
	if !ok {
		return nil, problem.New("no such component", fmt.Sprintf("the backup holds %s, which the instance does not have", a.Address),
			"restore with the configuration that made the backup, or leave it out with --target")
	}
	target := ""
	switch a.Address {
	case inst.Home.Address:
		target = c.Home
	case inst.Database.Address:
		target = c.Database
	}
	if target == "" {
		return st, nil
	}
	r, ok := st.(providers.Retargeter)
	if !ok {
		return nil, usagef("%s cannot be restored elsewhere", a.Address)
	}
	return r.Retarget(target)
}

// locate finds a backup: in the catalog, else in the archives themselves.
func (s *session) locate(ctx context.Context, id providers.BackupID, o *opened) (providers.Manifest, restore.Plan, error) {
	p := restore.Plan{ID: id, StateDir: s.config.StateDir}
	var sources []restore.Source
	for _, a := range o.archives {
		sources = append(sources, restore.Source{Address: a.Address, Archiver: a.Archiver})
	}
	m, source, err := restore.Find(ctx, id, sources)
	if err == nil && !m.Archived() && s.superseded(id) {
		return m, p, superseded(id)
	}
	if err == nil {
		err = s.changed(m, source.Address)
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
	e, cerr := s.catalog().Get(id)
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
func (s *session) changed(m providers.Manifest, archive string) error {
	e, err := s.catalog().Get(m.ID)
	if err != nil {
		return nil //nolint:nilerr // a catalog that knows nothing contradicts nothing
	}
	for _, known := range e.Manifest.Stored {
		for _, now := range m.Stored {
			if known.Archive != archive || now.Archive != archive || known.SHA256 == now.SHA256 && known.Bytes == now.Bytes {
				continue
			}
			return problem.New("the archive is another one", fmt.Sprintf("%s has SHA-256 %s, and the catalog knows it as %s", now.Location, now.SHA256, known.SHA256),
				"find out who replaced it; if it is the one you want, take the old one off the catalog:\n\n    rm "+filepath.Join(s.catalog().Dir, string(m.ID)+".json"))
		}
	}
	return nil
}

// elsewhere explains why the archives of the configuration do not hold a backup.
func elsewhere(m providers.Manifest, i *lang.Instance) error {
	return problem.New("the backup is of another instance", fmt.Sprintf("%s was made of %s, and %s of this configuration is at %s; its archives do not hold it", m.ID, m.URL, i.Address, i.URL),
		"use the configuration, or the file of values, that made it; or give the address of its archive here")
}

func (s *session) superseded(id providers.BackupID) bool {
	e, err := s.catalog().Get(id)
	return err == nil && e.Status == catalog.Superseded
}

func superseded(id providers.BackupID) error {
	return problem.New("the backup is gone", fmt.Sprintf("%s was kept in the working copy alone, and a later run has changed that", id), "restore a newer one:\n\n    bkp list")
}

package cli

import (
	"context"
	"slices"
	"strings"

	"bkp/internal/catalog"
	"bkp/internal/event"
	"bkp/internal/planner"
	"bkp/internal/ui/text"
	"bkp/providers"
)

type listCmd struct {
	Refresh bool `help:"Read the archives' destinations again, add to the catalog what it does not know, and make lost manifests again."`
}

// Help is shown by bkp list --help.
func (listCmd) Help() string {
	return `Lists the backups in the catalog, newest first, each with the lock window that
it cost and whether its restore was proven (bkp verify --drill). On a new machine the catalog is empty: --refresh fills it. An archive
that lost the manifest beside it is read as a whole then, and its manifest is
made again if every part of it has its checksum.

Examples:
  bkp list
  bkp list --refresh --json

` + exitCodes
}

func (c *listCmd) Run(ctx context.Context, s *session) error {
	if err := c.read(ctx, s); err != nil {
		return err
	}
	entries, bad := s.catalog().List()
	for _, err := range bad {
		s.doubt("not in the list: "+err.Error(), "")
	}
	if s.JSON {
		for _, e := range entries {
			if err := s.stream().Write(backupObject{"backup", e, s.drillOf(e.Manifest.ID)}); err != nil {
				return err
			}
		}
		return nil
	}
	if len(entries) == 0 {
		s.page.Hint("no backups yet; make one:\n\n    bkp apply\n\nor, if the archives hold some already:\n\n    bkp list --refresh")
		return nil
	}
	var rows [][]string
	for _, e := range entries {
		m := e.Manifest
		rows = append(rows, []string{string(m.ID), m.Created.Local().Format("2006-01-02 15:04:05"), text.Duration(m.LockWindow), size(m), string(e.Status), drillWord(s.drillOf(m.ID)), locations(m)})
	}
	return s.out.Table([]string{"ID", "CREATED", "LOCK WINDOW", "SIZE", "STATUS", "RESTORE", "ARCHIVES"}, rows)
}

func (c *listCmd) read(ctx context.Context, s *session) error {
	if !c.Refresh {
		return s.loadRecords()
	}
	if err := s.load(); err != nil {
		return err
	}
	return s.refresh(ctx)
}

// backupObject is what --json prints of a backup.
type backupObject struct {
	Event string `json:"event"`
	catalog.Entry
	// Drill is the last one of this backup.
	Drill *catalog.Drill `json:"drill,omitempty"`
}

func size(m providers.Manifest) string {
	var n int64
	for _, st := range m.Stored {
		n = max(n, st.Bytes)
	}
	if n == 0 {
		return "-"
	}
	return text.Bytes(n)
}

func locations(m providers.Manifest) string {
	var all []string
	for _, st := range m.Stored {
		all = append(all, st.Archive)
	}
	if len(all) == 0 {
		return "-"
	}
	return strings.Join(all, ", ")
}

// refresh adds what the archives hold to the catalog, and takes off it what no
// archive holds any more.
func (s *session) refresh(ctx context.Context) error {
	cat := s.catalog()
	for _, i := range s.config.Instances {
		o, err := s.open(i, event.Discard{}, 1)
		if err != nil {
			return err
		}
		entries, _ := cat.List() // before the archives: a run may be under way
		there, complete, err := s.addStored(ctx, cat, o)
		if err != nil {
			return err
		}
		if !complete {
			continue // what cannot be read may still be there
		}
		for _, e := range entries {
			if e.Manifest.Instance == i.Name && e.Status == catalog.Complete && storedOnly(e.Manifest, o) && !slices.Contains(there, e.Manifest.ID) {
				if err := cat.Remove(e.Manifest.ID); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// storedOnly tells whether all archives that should hold m were looked at.
func storedOnly(m providers.Manifest, o *opened) bool {
	for _, st := range m.Stored {
		if _, ok := o.archivers[st.Archive]; !ok {
			return false
		}
	}
	return m.Archived()
}

func (s *session) addStored(ctx context.Context, cat catalog.Catalog, o *opened) (there []providers.BackupID, complete bool, err error) {
	complete = true
	for _, a := range o.archives {
		if err := s.rebuild(ctx, a); err != nil {
			return nil, false, err
		}
		list, findings, err := a.Archiver.List(ctx)
		if err != nil {
			return nil, false, err
		}
		for _, f := range findings {
			complete = false
			s.doubt(f.Summary+": "+f.Detail, f.Remedy)
		}
		for _, m := range list {
			if m.Instance != o.instance.Name {
				continue
			}
			there = append(there, m.ID)
			if _, err := cat.Get(m.ID); err == nil {
				continue
			}
			if err := cat.Put(catalog.Entry{Manifest: m, Status: catalog.Complete}); err != nil {
				return nil, false, err
			}
		}
	}
	return there, complete, nil
}

// rebuild makes manifests again that an archive has lost.
func (s *session) rebuild(ctx context.Context, a planner.Archive) error {
	r, ok := a.Archiver.(providers.Rebuilder)
	if !ok {
		return nil
	}
	made, findings, err := r.Rebuild(ctx)
	for _, id := range made {
		s.say("%s: the manifest of %s was lost, and is made again from the archive", a.Address, id)
	}
	for _, f := range findings {
		s.doubt(f.Summary+": "+f.Detail, f.Remedy)
	}
	return interruptedBy(ctx, err)
}

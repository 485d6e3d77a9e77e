package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bkp/internal/engine"
	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/internal/ui/text"
	"bkp/providers"
)

type listCmd struct {
	Instance      []string `placeholder:"INSTANCE" help:"Only backups of this instance; may be repeated."`
	Last          int      `placeholder:"N" help:"Only the newest N of each instance."`
	Status        string   `placeholder:"STATUS" help:"Only backups that are complete, captured or superseded."`
	All           bool     `help:"Also list backups of instances of the same names at other URLs, such as of another environment."`
	Refresh       bool     `help:"Read the archives' destinations again, add missing backups to the catalog, and rebuild lost manifests."`
	ForgetMissing bool     `help:"With --refresh: take backups off the list also where an archive holds none of those that it should hold, because its disk is another one."`
	Identity      []string `placeholder:"FILE" help:"With --refresh: file with the secret key of a recipient, to rebuild lost manifests of encrypted backups; may be repeated."`
}

// Help is shown by bkp list --help.
func (listCmd) Help() string {
	return `Lists the backups in the catalog, newest first, each with its lock window and
whether its restore was proven (bkp verify --drill). A backup that is missing,
damaged, or whose manifest is, is marked. On a new machine the catalog is empty:
--refresh fills it. A backup in an archive that lost its manifest is then read as
a whole, and the manifest is rebuilt if all checksums of its parts match. --refresh fails, and leaves the
list as it is, when an archive holds none of the backups that the catalog knows
there: its disk may not be mounted. If it is another disk, --forget-missing takes
them off the list.

Examples:
  bkp list
  bkp list --instance prod --last 3 --status complete
  bkp list --refresh --json

` + exitCodes("failed", exitCrashed)
}

func (c *listCmd) Run(ctx context.Context, s *session) error {
	if len(c.Identity) > 0 && !c.Refresh {
		return problem.Usagef("--identity requires --refresh")
	}
	if c.ForgetMissing && !c.Refresh {
		return problem.Usagef("--forget-missing requires --refresh")
	}
	if err := c.fit(); err != nil {
		return err
	}
	s.identities = c.Identity
	if err := c.load(s); err != nil {
		return err
	}
	var failed error
	if c.Refresh {
		failed = s.engine().Refresh(ctx, c.ForgetMissing) // what can be listed is, all the same
	}
	entries, bad := s.engine().Catalog().List()
	for _, err := range bad {
		s.warn("not in the list: "+err.Error(), "")
	}
	if len(entries) == 0 && len(bad) > 0 {
		return problem.Join(failed, problem.Wrap(errors.Join(bad...), "the catalog cannot be read", "run as the user that makes the backups"))
	}
	others := 0
	if !c.All {
		all := len(entries)
		entries = slices.DeleteFunc(entries, func(e catalog.Entry) bool { return s.engine().Elsewhere(e.Manifest) })
		others = all - len(entries)
	}
	all := len(entries)
	entries, err := c.filter(s, entries)
	if err != nil || len(entries) == 0 && all > 0 {
		return problem.Join(failed, err) // an empty list is the answer, and no reason for a hint
	}
	s.engine().CheckClock(s.config.Instances)
	faults := s.engine().Faults(ctx, entries)
	if err := c.show(s, entries, faults, failed); err != nil {
		return problem.Join(failed, err)
	}
	if others > 0 {
		s.warn(fmt.Sprintf("not in the list: %s of instances of these names at other URLs", problem.Counted(others, "backup")),
			"see them with\n\n    bkp list --all\n\nand give each environment a state_dir of its own")
	}
	return failed
}

// fit refuses flags that would do nothing.
func (c *listCmd) fit() error {
	known := []string{string(catalog.Complete), string(catalog.Captured), string(catalog.Superseded)}
	switch {
	case c.Last < 0:
		return problem.Usagef("--last must be 1 or more, not %d", c.Last)
	case c.Status != "" && !slices.Contains(known, c.Status):
		return problem.Usagef("--status must be one of %s, not %q", strings.Join(known, ", "), c.Status)
	}
	return nil
}

// filter leaves what the flags ask for. The entries are the newest first.
func (c *listCmd) filter(s *session, entries []catalog.Entry) ([]catalog.Entry, error) {
	wanted := map[string]bool{}
	if len(c.Instance) > 0 {
		instances, err := s.engine().Instances(c.Instance)
		if err != nil {
			return nil, err
		}
		for _, i := range instances {
			wanted[i.Name] = true
		}
	}
	count := map[string]int{}
	return slices.DeleteFunc(entries, func(e catalog.Entry) bool {
		of := e.Manifest.Instance
		if len(wanted) > 0 && !wanted[of] || c.Status != "" && string(e.Status) != c.Status {
			return true
		}
		count[of]++
		return c.Last > 0 && count[of] > c.Last
	}), nil
}

func (c *listCmd) show(s *session, entries []catalog.Entry, faults map[providers.BackupID][]engine.Fault, failed error) error {
	if s.JSON {
		for _, e := range entries {
			if err := s.stream().Write(backupObject{"backup", e, faults[e.Manifest.ID], s.engine().DrillOf(e.Manifest.ID)}); err != nil {
				return err
			}
		}
		return nil
	}
	if len(entries) == 0 {
		if failed == nil {
			s.page.Hint("no backups yet; make one:\n\n    bkp apply\n\nor, if the archives hold some already:\n\n    bkp list --refresh")
		}
		return nil
	}
	heads := []string{"ID", "CREATED", "LOCK WINDOW", "SIZE", "STATUS", "RESTORE", "ARCHIVES"}
	if c.All {
		heads = append(heads, "URL")
	}
	var rows [][]string
	for _, e := range entries {
		m := e.Manifest
		row := []string{string(m.ID), m.Created.Local().Format("2006-01-02 15:04:05"), window(m), size(m), standing(e, faults[m.ID]), drillWord(s.engine().DrillOf(m.ID)), locations(m)}
		if c.All {
			row = append(row, m.URL)
		}
		rows = append(rows, row)
	}
	return s.out.Table(heads, rows)
}

// window is how long users were locked out.
func window(m providers.Manifest) string {
	if m.Skew > 0 {
		return "not locked"
	}
	return text.Duration(m.LockWindow)
}

// standing is the status of a backup, or what is wrong with it.
func standing(e catalog.Entry, faults []engine.Fault) string {
	if len(faults) == 0 {
		return string(e.Status)
	}
	if len(faults) == 1 && len(e.Manifest.Stored) == 1 {
		return faults[0].State
	}
	var all []string
	for _, f := range faults {
		all = append(all, f.State+" in "+f.Archive)
	}
	return strings.Join(all, ", ")
}

func (c *listCmd) load(s *session) error {
	if !c.Refresh {
		return s.loadRecords()
	}
	return s.loadArchives()
}

// backupObject is what --json prints of a backup.
type backupObject struct {
	Event string `json:"event"`
	catalog.Entry
	// Faults are the archives that should hold it, and do not as it was stored.
	Faults []engine.Fault `json:"faults,omitempty"`
	// Drill is the last one of this backup.
	Drill *catalog.Drill `json:"drill,omitempty"`
}

func size(m providers.Manifest) string {
	var n int64
	for _, st := range m.Stored {
		n = max(n, st.Size())
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

package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"bkp/internal/engine"
	"bkp/internal/engine/plan"
	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/internal/ui/markdown"
	"bkp/internal/ui/text"
	"bkp/providers"
)

type showCmd struct {
	Name   string `arg:"" name:"ID|PLAN" help:"Id of a backup, latest or latest:INSTANCE, or the file of a saved plan."`
	Full   bool   `help:"Of a plan: show what was not checked of every instance, also if it is the same."`
	Format string `enum:"text,markdown" default:"text" help:"Format of a plan: text, or markdown for a pull request."`
}

// Help is shown by bkp show --help.
func (showCmd) Help() string {
	return `Shows one backup: its parts, its point in time, where it is stored and how long it
took. Given a file, shows the plan that was saved in it.

Examples:
  bkp show prod-20261122T214431Z
  bkp show tonight.bkpplan
  bkp show --format markdown tonight.bkpplan

` + exitCodes("failed", exitCrashed)
}

func (c *showCmd) Run(ctx context.Context, s *session) error {
	s.full = c.Full
	id, err := providers.ParseBackupID(c.Name)
	if _, latest := isLatest(c.Name); latest {
		if id, err = s.completeID(c.Name); err != nil {
			return err
		}
	}
	if err != nil {
		if _, serr := os.Stat(c.Name); serr != nil {
			return problem.Usagef("%s, and no file has this name", err)
		}
		f, err := engine.ReadPlan(c.Name, Version(), engine.MakesBackupPlan)
		if err != nil {
			return err
		}
		return c.showPlan(s, f)
	}
	if c.Format == formatMarkdown {
		return problem.Usagef("--format is for plans, and %s is a backup", c.Name)
	}
	if err := s.loadRecords(); err != nil {
		return err
	}
	e, err := s.engine().Entry(ctx, id)
	if errors.Is(err, providers.ErrNotFound) && s.offline { // perhaps in an archive, whose place the whole configuration knows
		if err := s.loadArchives(); err != nil {
			return err
		}
		e, err = s.engine().Entry(ctx, id)
	}
	if err != nil {
		return err
	}
	if s.JSON {
		return s.stream().Write(backupObject{Event: "backup", Entry: e, Drill: s.engine().DrillOf(id)})
	}
	s.showEntry(e)
	return nil
}

// showPlan draws a saved plan, with the warnings that it holds. --json gives
// the plan alone.
func (c *showCmd) showPlan(s *session, f plan.File) error {
	switch {
	case s.JSON && c.Format == formatMarkdown:
		return problem.Usagef("--format and --json cannot be combined")
	case s.JSON:
		return s.stream().Write(f)
	case c.Format == formatMarkdown:
		return markdown.Plan(s.io.Out, f, markdown.Warnings(f.Plans))
	}
	for _, p := range f.Plans {
		for _, w := range p.Warnings {
			s.page.Warning(strings.TrimPrefix(w.Address+": ", ": ")+w.Summary+": "+w.Detail, w.Remedy)
		}
	}
	return s.showPlan(f)
}

func (s *session) showEntry(e catalog.Entry) {
	m := e.Manifest
	line := func(name, format string, args ...any) { s.out.Field(name, fieldWidth, fmt.Sprintf(format, args...)) }
	line("backup", "%s", s.out.Style.Bold(string(m.ID)))
	line("status", "%s", e.Status)
	if e.Error != "" {
		line("", "%s", e.Error)
	}
	line("instance", "%s %s", m.Instance, m.URL)
	if m.BitbucketVersion != "" {
		line("bitbucket", "%s", m.BitbucketVersion)
	}
	line("created", "%s by bkp %s", m.Created.Local().Format("2006-01-02 15:04:05 MST"), m.Tool)
	line("lock window", "%s", lockWindow(m))
	if m.NodeSkew > 0 {
		line("mesh nodes", "captured within %s", text.Duration(m.NodeSkew))
	}
	parts := m.WindowParts()
	width := 0
	for _, p := range parts {
		width = max(width, len(p.Name))
	}
	for _, p := range parts {
		line("", "%-*s %s", width, p.Name, text.Duration(p.Took))
	}
	for _, a := range m.Artifacts {
		line("holds", "%s (%s) of %s", a.Address, a.Strategy, a.PointInTime.Local().Format("2006-01-02 15:04:05.000 MST"))
		if p, ok := m.Part(a.Address); ok {
			line("", "%s files and folders, %s", text.Count(p.Files), text.Bytes(p.Bytes))
		}
	}
	for _, st := range m.Stored {
		line("stored", "%s %s", st.Archive, st.Location)
		for _, address := range slices.Sorted(maps.Keys(st.Parts)) {
			if p, ok := st.Copy(address); ok {
				line("", "%s%s", objects(p), storedBy(p))
			}
		}
	}
	if held := s.engine().Held(m.ID); held != "" {
		line("kept", "%s", held)
	}
	for _, damage := range e.Damaged {
		line("damaged", "%s, found on %s", damage.Archive, damage.At.Local().Format("2006-01-02 15:04 MST"))
		for _, found := range damage.Found {
			line("", "%s", found)
		}
	}
	d := s.engine().DrillOf(m.ID)
	if d == nil {
		line("restore", "not proven; prove it with bkp verify --drill %s", m.ID)
		return
	}
	line("restore", "%s, %s in %s", drillWord(d), d.At.Local().Format("15:04:05 MST"), text.Duration(d.Duration))
	line("", "%s", drillDetails(*d))
	for _, difference := range d.Differences {
		line("", "%s", difference)
	}
	for _, text := range d.NotImitated {
		line("", "not imitated: %s", text)
	}
}

// fieldWidth is how wide the names of the fields of a backup are, in columns.
const fieldWidth = 14

// objects are what an archive stores of a part: one, or so many that their digests
// are left to --json.
func objects(p providers.Part) string {
	n := len(p.Objects)
	switch n {
	case 0:
		return "nothing"
	case 1:
		return fmt.Sprintf("%s %s, sha256 %s", p.Objects[0].Name, text.Bytes(p.StoredBytes()), p.Objects[0].SHA256)
	}
	return fmt.Sprintf("%s to %s, %s", p.Objects[0].Name, p.Objects[n-1].Name, text.Bytes(p.StoredBytes()))
}

// storedBy names the machine that stored a part, if it was another one.
func storedBy(p providers.Part) string {
	if p.By == "" {
		return ""
	}
	return ", stored by " + p.By
}

// lockWindow is how long users were locked out, or that they were not.
func lockWindow(m providers.Manifest) string {
	if m.Skew > 0 {
		return fmt.Sprintf("none, its parts are at most %s apart", text.Duration(m.Skew))
	}
	return text.Duration(m.LockWindow)
}

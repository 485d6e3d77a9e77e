package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"bkp/internal/engine"
	"bkp/internal/ui/text"
)

type sheetCmd struct {
	Instance []string `placeholder:"INSTANCE" help:"Only these instances."`
}

// Help is shown by bkp recovery-sheet --help.
func (sheetCmd) Help() string {
	return `Prints what someone needs who has lost this machine: where the backups are, how they
are encrypted and for which keys, the versions that made them, and the commands that
restore them, with bkp and without. It is written from the configuration and the list
of backups alone, and holds no secret. Print it after each change of the
configuration, and keep it where the machine is not; with it a copy of the
configuration, and the secret keys in another place.

Examples:
  bkp recovery-sheet > recovery-sheet.md
  bkp recovery-sheet --instance prod | lpr

` + exitCodes("", exitCrashed)
}

func (c *sheetCmd) Run(s *session) error {
	if err := s.loadRecords(); err != nil {
		return err
	}
	sheet, err := s.engine().RecoverySheet(c.Instance)
	if err != nil {
		return err
	}
	if s.JSON {
		return s.stream().Write(sheet)
	}
	w := text.Visible(s.io.Out)
	_, err = io.WriteString(w, sheetText(sheet))
	return err
}

// sheetText is the sheet in Markdown that reads well on paper.
func sheetText(sheet engine.Sheet) string {
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	line("# Recovery sheet\n")
	line("Written %s by bkp %s, from the configuration in %s. State folder: %s.\n", sheet.Made.Format("2006-01-02 15:04 MST"), sheet.Tool, sheet.Folder, sheet.StateDir)
	line("There is no secret on this sheet. You also need: a copy of the configuration, the secrets that it names, and for an encrypted archive the secret key of one of its recipients.")
	for _, i := range sheet.Instances {
		line("\n## %s: %s\n", i.Name, i.URL)
		if i.Newest != nil {
			line("- newest backup: %s%s", i.Newest.ID, ofBitbucket(i.Newest.BitbucketVersion))
		} else {
			line("- no backup is known here")
		}
		if i.Proven != nil {
			line("- last backup whose restore was proven: %s", i.Proven.ID)
		}
		for _, p := range i.Parts {
			line("- %s (%s)%s", p.Address, p.Strategy, of(p.Paths))
			for _, name := range slices.Sorted(maps.Keys(p.Facts)) {
				line("  - %s: %s", name, p.Facts[name])
			}
		}
		if len(i.Secrets) > 0 {
			line("- secrets: %s", strings.Join(i.Secrets, ", "))
		}
		line("\n### With bkp\n\nOn a new machine, with bkp %s and the configuration:\n", sheet.Tool)
		line("    bkp list --refresh")
		line("    bkp restore %s", backupWord(i.Newest))
		for _, a := range i.Archives {
			b.WriteString(archiveText(a))
		}
	}
	return b.String()
}

func archiveText(a engine.SheetArchive) string {
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	line("\n### %s (%s)\n", a.Address, a.Strategy)
	if a.Destination != "" {
		line("- stores in %s", a.Destination)
	}
	if a.Backup == "" {
		line("- holds no backup that is known here")
		return b.String()
	}
	line("- newest backup there: %s, at %s", a.Backup, a.Location)
	if a.Sealed != nil {
		line("- encrypted with %s for any of: %s", a.Sealed.Method, strings.Join(a.Sealed.Recipients, ", "))
	}
	if len(a.ByHand) == 0 {
		return b.String()
	}
	line("\nWithout bkp, with %s, as root in bash; the guide \"Restore without bkp\" has the steps that follow:\n", strings.Join(a.Needs, ", "))
	line("    set -o pipefail; work=/var/tmp/restore; mkdir -p \"$work\"")
	for _, c := range a.ByHand {
		line("    %s", c)
	}
	return b.String()
}

func ofBitbucket(version string) string {
	if version == "" {
		return ""
	}
	return ", of Bitbucket " + version
}

func of(paths []string) string {
	if len(paths) == 0 {
		return ""
	}
	return ": " + strings.Join(paths, ", ")
}

func backupWord(newest *engine.SheetBackup) string {
	if newest == nil {
		return "ID"
	}
	return string(newest.ID)
}

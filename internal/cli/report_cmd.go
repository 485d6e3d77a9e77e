package cli

import (
	"bytes"
	"errors"
	"io/fs"
	"os"

	"bkp/internal/problem"
	"bkp/internal/ui/report"
)

type reportCmd struct {
	HTML     string   `name:"html" placeholder:"FILE" help:"Write the report to this file, in place of an earlier one; - is standard output."`
	Instance []string `placeholder:"INSTANCE" help:"Only these instances."`
}

// Help is shown by bkp report --help.
func (reportCmd) Help() string {
	return `Writes a page that a person looks at: each instance with what asks for attention, its
last backups, the lock window over time and its parts, sizes and changes, the copies
against the usual rule, what retention will do, and the last proven restore. The page
is one file without scripts that loads nothing from elsewhere; it can be printed.

It is written from the configuration and the list of backups alone, so it needs no
secret, and it holds none. With --json the same is printed as data. See the guide
"Notifications and monitoring" for a report after each run.

Examples:
  bkp report --html report.html
  bkp report --html /var/www/html/bkp.html --instance prod
  bkp report --json

` + exitCodes("failed", exitCrashed)
}

func (c *reportCmd) Run(s *session) error {
	switch {
	case c.HTML == "" && !s.JSON:
		return problem.Usage(problem.New("no file for the report", "--html is missing", "name a file:\n\n    bkp report --html report.html"))
	case c.HTML != "" && s.JSON:
		return problem.Usagef("--html and --json cannot be combined")
	}
	if err := s.loadRecords(); err != nil {
		return err
	}
	page, err := s.engine().Overview(c.Instance)
	if err != nil {
		return err
	}
	if s.JSON {
		return s.stream().Write(page)
	}
	var b bytes.Buffer
	if err := report.Write(&b, page); err != nil {
		return err
	}
	if c.HTML == "-" {
		_, err := s.io.Out.Write(b.Bytes())
		return err
	}
	if err := replaceReport(c.HTML, b.Bytes(), s.io.Umask); err != nil {
		return err
	}
	s.say("%s is written", c.HTML)
	return nil
}

// reportMark is in every report, and in hardly anything else.
var reportMark = []byte(report.Mark)

// replaceReport writes a report by rename, so that a browser never reads half of it. It
// replaces nothing but an earlier report: a slip must not cost a configuration.
func replaceReport(name string, data []byte, umask int) error {
	old, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return problem.Wrap(err, "report not written", "give the name of a file")
	case len(old) > 0 && !bytes.Contains(old, reportMark):
		return problem.New("report not written", name+" is there, and is no report of bkp", "give the report another name, or remove that file")
	}
	mode := fs.FileMode(0o644) &^ fs.FileMode(umask) // it is for others to read
	if err := writeByRename(name, data, mode); err != nil {
		return problem.Wrap(err, "report not written", "let the user that runs bkp write the folder, or name another file")
	}
	return nil
}

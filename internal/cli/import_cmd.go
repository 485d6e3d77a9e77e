package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"bkp/internal/importer"
	"bkp/internal/problem"
	"bkp/providers/all"
)

type importCmd struct {
	Script string `arg:"" name:"FILE" help:"The file bitbucket.diy-backup.vars.sh; - reads standard input."`
	Out    string `placeholder:"FILE" help:"Write the configuration into this file, which must not exist; otherwise to standard output."`
}

// Help is shown by bkp import --help.
func (importCmd) Help() string {
	return `Turns the settings of Atlassian's shell scripts, old names and new, into annotated
configuration. The script is read and not run: no command, no other file, no
environment. Secrets are not copied. Standard error reports what became of every
variable: kept, moved, dropped, computed by a command, or unknown, and why.
Strategies that bkp does not support yet are written as comments, and bkp validate,
plan and apply fail until you have handled each of them.

Examples:
  bkp import bitbucket.diy-backup.vars.sh
  bkp import bitbucket.diy-backup.vars.sh --out main.bkp.hcl

` + exitCodes("failed")
}

// importTimeout is more than any script needs that is not made to take long.
const importTimeout = 30 * time.Second

func (c *importCmd) Run(ctx context.Context, s *session) error {
	src, err := c.read(s)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, importTimeout,
		problem.New("script takes too long", "bkp stopped reading it after "+importTimeout.String(), "give a file that only sets variables"))
	defer cancel()
	result, err := importer.Import(ctx, c.Script, src, all.Registry())
	if err != nil {
		return err
	}
	if c.Out != "" {
		if err := writeNew(c.Out, result.Config, s.io.Umask); err != nil {
			return err
		}
	}
	if s.JSON {
		return c.stream(s, result)
	}
	if c.Out == "" {
		if _, err := s.io.Out.Write(result.Config); err != nil {
			return err
		}
	}
	return s.importReport(c.Out, result)
}

func (c *importCmd) read(s *session) ([]byte, error) {
	in := s.io.In
	if c.Script != "-" {
		info, err := os.Stat(c.Script)
		if err == nil && !info.Mode().IsRegular() {
			err = errors.New(c.Script + " is not a regular file")
		}
		if err != nil {
			return nil, problem.Wrap(err, "script not readable", "give the file bitbucket.diy-backup.vars.sh")
		}
		f, err := os.Open(c.Script)
		if err != nil {
			return nil, problem.Wrap(err, "script not readable", "run as a user who may read it")
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	src, err := io.ReadAll(io.LimitReader(in, importer.MaxSource+1))
	if err != nil {
		return nil, problem.Wrap(err, "script not readable", "give the file bitbucket.diy-backup.vars.sh")
	}
	return src, nil
}

// importEvent reports to programs how an import ended.
type importEvent struct {
	Event       string   `json:"event"`
	File        string   `json:"file,omitempty"`
	Config      string   `json:"config,omitempty"`
	Env         []string `json:"env"`
	Unsupported []string `json:"unsupported"`
}

// settingEvent reports one variable to programs.
type settingEvent struct {
	Event string `json:"event"`
	importer.Entry
}

func (c *importCmd) stream(s *session, result importer.Result) error {
	for _, e := range result.Entries {
		if err := s.stream().Write(settingEvent{"setting", e}); err != nil {
			return err
		}
	}
	done := importEvent{Event: "imported", File: c.Out, Env: result.Env, Unsupported: append([]string{}, result.Unsupported...)}
	if c.Out == "" {
		done.Config = string(result.Config)
	}
	return s.stream().Write(done)
}

// importReport accounts for the script on standard error: in columns for
// tools that search it, and in lines for a terminal, where the reasons would
// not fit.
func (s *session) importReport(file string, result importer.Result) error {
	attention := 0
	var rows [][]string
	for _, e := range result.Entries {
		line, about := "", e.To
		if e.Line > 0 {
			line = strconv.Itoa(e.Line)
		}
		if e.Reason != "" && about != "" {
			about += ": "
		}
		rows = append(rows, []string{line, e.Name, string(e.Outcome), about + e.Reason})
		if e.NeedsAttention() {
			attention++
		}
	}
	if s.page.Width > 0 {
		for _, e := range result.Entries {
			s.page.Item(s.entryHead(e), e.Reason)
		}
	} else if err := s.page.Table([]string{"LINE", "VARIABLE", "OUTCOME", "RESULT OR REASON"}, rows); err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%d entries, %d of them need attention\n", len(result.Entries), attention)
	if len(result.Unsupported) > 0 {
		fmt.Fprintf(&b, "not backed up by this version of bkp: %s\n", strings.Join(result.Unsupported, ", "))
	}
	b.WriteString("\nNext: read ")
	if file == "" {
		file = "the configuration"
	}
	fmt.Fprintf(&b, "%s from top to bottom, then\n\n", file)
	for _, name := range result.Env {
		fmt.Fprintf(&b, "    export %s=…\n", name)
	}
	b.WriteString("    bkp validate\n    bkp plan\n")
	_, err := fmt.Fprint(s.io.Err, b.String())
	return err
}

func (s *session) entryHead(e importer.Entry) string {
	outcome := s.page.Style.Green(string(e.Outcome))
	if e.NeedsAttention() {
		outcome = s.page.Style.Yellow(string(e.Outcome))
	}
	head := s.page.Style.Bold(e.Name) + "  " + outcome
	if e.To != "" {
		head += "  " + e.To
	}
	if e.Line > 0 {
		head += s.page.Style.Faint(fmt.Sprintf("  line %d", e.Line))
	}
	return head
}

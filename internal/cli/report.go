package cli

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"bkp/internal/engine/planner"
	"bkp/internal/event"
	"bkp/internal/problem"
	jsonui "bkp/internal/ui/json"
	"bkp/lang"
)

// report prints diagnostics; errors among them give errReported.
func (s *session) report(config *lang.Config, diags hcl.Diagnostics) error {
	return s.diagnostics(config.Files(), diags)
}

// diagnostics is report for files that are no configuration as a whole. That
// nobody reads them must not stop a backup, so a failed write is no error.
func (s *session) diagnostics(files map[string]*hcl.File, diags hcl.Diagnostics) error {
	s.reported = append(s.reported, diags...)
	if s.JSON {
		for _, d := range diags {
			object := jsonui.NewDiagnostic(d, files)
			object.Event = "diagnostic"
			_ = s.stream().Write(object)
		}
	} else {
		_ = s.page.Diagnostics(diags, files)
	}
	if diags.HasErrors() {
		return errReported
	}
	return nil
}

// findings prints problems at the blocks they belong to, and returns
// errReported if one of them is an error.
func (s *session) findings(list []planner.Finding) error {
	return s.report(s.config, s.atBlocks(list))
}

// atBlocks points findings at the blocks that they are about.
func (s *session) atBlocks(list []planner.Finding) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, f := range list {
		diags = append(diags, s.diagnose(f.Address, f.Problem))
	}
	return diags
}

// diagnose turns a finding into a diagnostic at its block, with a headline
// that begins as those of the language do.
func (s *session) diagnose(address string, p problem.Problem) *hcl.Diagnostic {
	p.Remedy = unlessLimited(&p, p.Remedy)
	first, size := utf8.DecodeRuneInString(p.Summary)
	p.Summary = string(unicode.ToUpper(first)) + p.Summary[size:]
	if c, ok := s.config.Component(address); ok {
		return c.Diagnose(p)
	}
	if r, ok := s.config.Retention(address); ok {
		return diagnosticAt(p, r.Range.Ptr())
	}
	for _, i := range s.config.Instances {
		if i.Address == address {
			return i.Diagnose(p)
		}
	}
	return diagnosticAt(p, nil)
}

func diagnosticAt(p problem.Problem, at *hcl.Range) *hcl.Diagnostic {
	severity := hcl.DiagError
	if p.Severity == problem.Warning {
		severity = hcl.DiagWarning
	}
	return &hcl.Diagnostic{Severity: severity, Summary: p.Summary, Detail: strings.TrimSpace(p.Detail + "\n" + p.Remedy), Subject: at}
}

// warn shows something that does not stop the command.
func (s *session) warn(message, remedy string) {
	if !s.JSON {
		s.page.Warning(message, remedy)
		return
	}
	s.stream().Emit(event.Event{Time: time.Now(), Kind: event.Warning, Message: strings.TrimSpace(message + "\n" + remedy)})
}

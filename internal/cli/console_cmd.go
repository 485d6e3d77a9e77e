package cli

import (
	"bufio"
	"fmt"
	"strings"

	"bkp/internal/problem"
	"bkp/internal/ui/text"
	"bkp/lang"
	"bkp/providers/all"
)

type consoleCmd struct {
	Expression string `arg:"" optional:"" name:"EXPRESSION" help:"The expression; without it, each line of standard input is one."`
}

// Help is shown by bkp console --help.
func (consoleCmd) Help() string {
	return `Shows the value of an expression, with the variables, locals, blocks and functions
of the configuration in this folder. A block is shown as an object with all of its
attributes, defaults included; bkp.homes, bkp.archives and their like are lists of
all blocks of a kind. What is sensitive is not shown. Nothing but the configuration
is looked at.

Examples:
  bkp console 'local.teams'
  bkp console 'instance.prod.lock'
  bkp console '[for a in bkp.archives : a.address]' --var-file prod.bkpvars
  echo 'upper("a")' | bkp console

` + exitCodes("failed, or an expression has no value")
}

// valueObject is what --json prints of an expression.
type valueObject struct {
	Event      string `json:"event"`
	Expression string `json:"expression"`
	Value      string `json:"value"`
}

func (c *consoleCmd) Run(s *session) error {
	if c.Expression != "" {
		return c.answer(s, c.Expression)
	}
	var failed error
	lines := bufio.NewScanner(s.io.In)
	lines.Buffer(nil, maxExpression)
	for s.prompt(); lines.Scan(); s.prompt() {
		line := strings.TrimSpace(lines.Text())
		if line == "exit" {
			return failed
		}
		if line == "" {
			continue
		}
		if err := c.answer(s, line); err != nil {
			failed = err
		}
	}
	if err := lines.Err(); err != nil {
		return problem.Wrap(err, "expressions cannot be read", "give the expression as an argument")
	}
	return failed
}

// maxExpression bounds a line, in bytes.
const maxExpression = 1 << 20

// prompt asks a person for the next line.
func (s *session) prompt() {
	if s.io.interactive() && !s.JSON {
		_, _ = fmt.Fprint(s.io.Err, "> ")
	}
}

// answer shows the value of one expression. What this shell does not know matters only
// if the expression depends on it.
func (c *consoleCmd) answer(s *session, expression string) error {
	options := lang.Options{Registry: all.Registry(), Values: s.values, Version: s.version}
	value, config, diags := lang.Evaluate(".", options, expression)
	if diags.HasErrors() {
		options.Offline, options.Unset = true, true
		value, config, diags = lang.Evaluate(".", options, expression)
	}
	if diags.HasErrors() {
		return s.report(config, diags)
	}
	if s.JSON {
		return s.stream().Write(valueObject{"value", expression, value})
	}
	_, err := fmt.Fprintln(text.Visible(s.io.Out), value)
	return err
}

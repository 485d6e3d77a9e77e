package cli

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"bkp/internal/ui/text"
)

type helpCmd struct {
	Command []string `arg:"" optional:"" name:"COMMAND" help:"The command to explain. Default: all commands."`
}

// Help is shown by bkp help --help.
func (helpCmd) Help() string {
	return `Shows the same as bkp COMMAND --help.

Examples:
  bkp help
  bkp help plan

` + exitCodes("failed")
}

func (c *helpCmd) Run(k *kong.Context) error {
	// The flag ends the command from within the parser.
	if _, err := k.Parse(append(c.Command, "--help")); err != nil {
		return misused(err, nil)
	}
	return nil
}

// Variable is an environment variable that bkp reads.
type Variable struct{ Name, Help string }

// environment is every variable that changes what bkp does.
var environment = []Variable{
	{"BKP_VAR_name", "value of the variable called name"},
	{"BKP_LOG", "debug, info, warn, error: log to standard error what happens, without secrets"},
	{"BKP_LOG_PATH", "file that the log of BKP_LOG is appended to instead"},
	{"NO_COLOR", "if not empty: no colours, as --no-color"},
	{"TERM", "dumb: no colours, no live progress"},
	{"COLUMNS", "width at which help is wrapped"},
	{"XDG_STATE_HOME", "default place of the state folder, except for root"},
	{"AWS_REGION", "region of a bucket, if the archive names none"},
	{"AWS_DEFAULT_REGION", "the same, if AWS_REGION is not set"},
	{"AWS_…", "keys of a bucket, as Amazon's tools read them"},
	{"SSH_AUTH_SOCK", "agent that ssh asks for keys, when it connects to other machines"},
	{"PATH, HOME, TMPDIR, TZ", "the only variables that bkp passes on to the tools it runs"},
}

func environmentRows() [][2]string {
	var rows [][2]string
	for _, v := range environment {
		rows = append(rows, [2]string{v.Name, v.Help})
	}
	return rows
}

// examplesTitle begins the part of a command's help that comes last.
const examplesTitle = "Examples:\n"

// printHelp is kong's help with what a reader looks for last at its end, where
// the eye is: the examples and the exit codes; and for bkp itself the
// environment.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	node := ctx.Selected()
	if node == nil {
		ctx.Model.HelpFlag = nil // its last line is the first of More
		if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
			return err
		}
		page := text.Page{Out: ctx.Stdout, Width: helpWidth(ctx.Stdout, options.WrapUpperBound)}
		page.Entries("Environment variables:", environmentRows())
		page.Entries("More:", [][2]string{
			{"bkp COMMAND --help", "a command's flags, examples and exit codes"},
			{"bkp providers", "every block, strategy, attribute and function of the language"},
			{"docs/reference", "all of it in Markdown, beside the source"},
		})
		return nil
	}
	intro, last, _ := strings.Cut(node.Detail, examplesTitle)
	node.Detail = intro
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil || last == "" {
		return err
	}
	_, err := fmt.Fprintf(ctx.Stdout, "\n%s%s\n", examplesTitle, last)
	return err
}

// helpWidth finds the width that kong finds.
func helpWidth(w io.Writer, limit int) int {
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil {
		return min(n, limit)
	}
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			return min(n, limit)
		}
	}
	return min(80, limit)
}

// Manual is the command line as data: what its reference is written from.
type Manual struct {
	Commands    *kong.Application
	ExitCodes   []ExitCode
	Environment []Variable
}

// Describe returns the manual of this version.
func Describe() Manual {
	parser := newParser(new(grammar), IO{Out: io.Discard, Err: io.Discard})
	return Manual{Commands: parser.Model, ExitCodes: exitMeanings, Environment: environment}
}

// Details separates a command's help into what it does and its examples.
func Details(command *kong.Node) (intro, examples string) {
	intro, examples, _ = strings.Cut(command.Detail, examplesTitle)
	examples, _, _ = strings.Cut(examples, exitTitle)
	return strings.TrimSpace(intro), strings.TrimRight(examples, "\n")
}

package cli

import (
	"context"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"bkp/internal/completion"
	"bkp/internal/engine/guardian"
	"bkp/internal/engine/remote"
	"bkp/internal/problem"
	"bkp/internal/ui/text"
	"bkp/providers/all"
)

// IO is what a command talks to.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
	// Hurry ends cleaning up early: the second Ctrl-C cancels it.
	Hurry context.Context //nolint:containedctx // a second lifetime beside the command's own
	// Umask is what to take from the mode of a file that others may read.
	Umask int
}

// globals are the flags of every command.
type globals struct {
	Chdir   string   `short:"C" placeholder:"DIR" default:"." help:"Switch to this folder before anything else: the one with the configuration."`
	Var     []string `sep:"none" placeholder:"NAME=VALUE" help:"Value of a variable; may be repeated."`
	VarFile []string `sep:"none" placeholder:"FILE" help:"File of values for variables; may be repeated. Later values override earlier ones."`
	NoColor bool     `help:"Disable colours. The environment variable NO_COLOR does the same."`
	JSON    bool     `name:"json" help:"Print JSON Lines."`
}

type grammar struct {
	globals

	Plan        planCmd        `cmd:"" group:"backup" help:"Show what a backup will do, and check that it can."`
	Apply       applyCmd       `cmd:"" group:"backup" help:"Make a backup."`
	Restore     restoreCmd     `cmd:"" group:"backup" help:"Restore a backup."`
	List        listCmd        `cmd:"" group:"backups" help:"List the backups."`
	Show        showCmd        `cmd:"" group:"backups" help:"Show a backup, or a saved plan."`
	Verify      verifyCmd      `cmd:"" group:"backups" help:"Read a whole backup and compare its checksums."`
	Discard     discardCmd     `cmd:"" group:"backups" help:"Give up a backup that was captured but cannot be stored."`
	Copy        copyCmd        `cmd:"" group:"backups" help:"Copy a backup to another archive."`
	Prune       pruneCmd       `cmd:"" group:"backups" help:"Remove the backups that retention does not keep."`
	Pin         pinCmd         `cmd:"" group:"backups" help:"Keep a backup regardless of retention."`
	Unpin       unpinCmd       `cmd:"" group:"backups" help:"Let retention decide about a backup again."`
	Sheet       sheetCmd       `cmd:"" name:"recovery-sheet" group:"backups" help:"Print what is needed to restore after the loss of this machine."`
	Report      reportCmd      `cmd:"" group:"backups" help:"Write a page about all backups, for people to look at."`
	Status      statusCmd      `cmd:"" group:"operation" help:"Show whether anything is locked, running or left behind."`
	Unlock      unlockCmd      `cmd:"" group:"operation" help:"Unlock an instance that a run left locked."`
	Recover     recoverCmd     `cmd:"" group:"operation" help:"Clean up after interrupted runs."`
	Graph       graphCmd       `cmd:"" group:"configuration" help:"Draw the steps as a graph, in DOT or Mermaid."`
	Validate    validateCmd    `cmd:"" group:"configuration" help:"Check the configuration without touching anything else."`
	Init        initCmd        `cmd:"" group:"configuration" help:"Write a starter configuration into this folder."`
	Console     consoleCmd     `cmd:"" group:"configuration" help:"Evaluate an expression of the configuration."`
	Import      importCmd      `cmd:"" group:"configuration" help:"Turn the settings of Atlassian's shell scripts into configuration."`
	Fmt         fmtCmd         `cmd:"" group:"configuration" help:"Rewrite configuration files in their canonical form."`
	Permissions permissionsCmd `cmd:"" group:"configuration" help:"Print the rights that services such as Amazon have to grant."`
	Providers   providersCmd   `cmd:"" group:"configuration" help:"Show every block, strategy, attribute and function of the language."`
	Completion  completionCmd  `cmd:"" group:"help" help:"Print a script that completes commands in bash, zsh or fish."`
	Help        helpCmd        `cmd:"" group:"help" help:"Explain a command."`
	Version     versionCmd     `cmd:"" group:"help" help:"Print the version."`
}

// exited carries kong's wish to end, after --help, out of its parser.
type exited int

// Run carries out one command line and returns its exit code. The context ends
// with the first signal.
func Run(ctx context.Context, args []string, streams IO) (code int) {
	if len(args) > 0 && args[0] == guardian.Command {
		return guardian.Main(streams.In, streams.Out)
	}
	if len(args) > 0 && args[0] == remote.Command {
		return remote.Main(ctx, args[1:], os.Stdin, os.Stdout, remote.Library{Registry: all.Registry(), Packer: all.Packer()})
	}
	if len(args) > 0 && args[0] == completion.Command {
		streams.complete(args[1:])
		return ExitDone
	}
	var g grammar
	asked := len(args) > 0
	defer func() {
		switch p := recover().(type) {
		case nil:
		case exited:
			if code = int(p); !asked {
				code = ExitUsage // for a script that forgot the command
			}
		default:
			panic(p)
		}
	}()
	if !asked {
		args = []string{"help"}
	}
	ctx, log, ignored := openLog(ctx, streams)
	defer log.Close()
	parser := newParser(&g, streams, kong.BindTo(ctx, (*context.Context)(nil)))
	command, err := parser.Parse(doubleDashes(args))
	s := newSession(ctx, streams, g.globals)
	if err != nil {
		// The flags for the output may not have been parsed yet.
		s = newSession(ctx, streams, globals{NoColor: given(args, "no-color"), JSON: given(args, "json")})
		return s.exit(misused(err, nil))
	}
	s.usage = usageOf(command.Selected())
	for _, message := range ignored {
		s.warn(message, "")
	}
	s.began(command.Command())
	if err := refuseEmpty(command.Path); err != nil {
		return s.exit(misused(err, command.Selected()))
	}
	if g.Chdir != "." {
		// As in Terraform: every relative path is relative to that folder.
		if err := os.Chdir(g.Chdir); err != nil {
			return s.exit(problem.Usage(problem.Wrap(err, "no such folder", "give the folder of the configuration with --chdir")))
		}
	}
	if s.values, err = valuesOf(command.Path, g.globals); err != nil {
		return s.exit(misused(err, command.Selected()))
	}
	return s.exit(command.Run(ctx, s))
}

func newParser(g *grammar, streams IO, options ...kong.Option) *kong.Kong {
	parser, err := kong.New(g, append(options,
		kong.Name("bkp"),
		kong.Description("Declare, plan and apply consistent backups of Bitbucket Data Center."),
		kong.Writers(streams.Out, streams.Err),
		kong.Exit(func(c int) { panic(exited(c)) }),
		kong.Help(printHelp),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.ExplicitGroups([]kong.Group{
			{Key: "backup", Title: "Back up and restore:"},
			{Key: "backups", Title: "Look at backups:"},
			{Key: "operation", Title: "When something went wrong:"},
			{Key: "configuration", Title: "Configuration:"},
			{Key: "help", Title: "Help:"},
		}),
	)...)
	if err != nil {
		panic(err) // the grammar itself is wrong; every test meets it
	}
	return parser
}

func newSession(ctx context.Context, streams IO, g globals) *session {
	return &session{
		globals: g, ctx: ctx, io: streams, version: Version(),
		page: streams.page(streams.Err, g.NoColor), out: streams.page(streams.Out, g.NoColor),
	}
}

// doubleDashes accepts a single dash before a long flag, as Terraform does.
func doubleDashes(args []string) []string {
	if len(args) == 1 && strings.TrimLeft(args[0], "-") == "version" {
		return []string{"version"} // --version, as everywhere
	}
	out := make([]string, 0, len(args))
	for i, a := range args {
		if a == "--" {
			return append(out, args[i:]...)
		}
		if len(a) > 2 && a[0] == '-' && a[1] >= 'a' && a[1] <= 'z' {
			a = "-" + a
		}
		out = append(out, a)
	}
	return out
}

// given reports whether a switch is among arguments that could not be parsed.
func given(args []string, name string) bool {
	for _, a := range args {
		switch strings.TrimLeft(a, "-") {
		case name, name + "=true":
			return strings.HasPrefix(a, "-")
		}
	}
	return false
}

// page returns how to draw on one of the streams.
func (streams IO) page(w io.Writer, plain bool) text.Page {
	width, terminal := 0, false
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		terminal = os.Getenv("TERM") != "dumb"
		if c, _, err := term.GetSize(int(f.Fd())); err == nil {
			width = c
		}
	}
	return text.Page{Out: w, Style: text.Style{Color: terminal && !plain && os.Getenv("NO_COLOR") == ""}, Width: width}
}

// interactive reports whether a question can be answered.
func (streams IO) interactive() bool {
	f, ok := streams.In.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

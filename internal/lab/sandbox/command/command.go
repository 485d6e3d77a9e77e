package command

import (
	"context"
	"fmt"
	"io"

	"github.com/alecthomas/kong"

	"bkp/internal/problem"
)

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 80
)

type grammar struct {
	Serve serveCmd `cmd:"" help:"Run a Bitbucket under load until it is interrupted."`
	Check checkCmd `cmd:"" help:"Prove that a restored home and its database are consistent. Exit code 1 when they are not."`
}

// streams is where a command writes.
type streams struct{ out, err io.Writer }

// leave carries kong's exit code, for --help, out of its parser.
type leave int

// Run carries out the command line and returns the exit code. It returns soon
// after the context ends.
func Run(ctx context.Context, args []string, out, errs io.Writer) (exit int) {
	// kong asks to leave in the middle of parsing.
	defer func() {
		if code, ok := recover().(leave); ok {
			exit = int(code)
		}
	}()
	var g grammar
	parser, err := kong.New(&g,
		kong.Name("bitbucket-sandbox"),
		kong.Description("A Bitbucket to try bkp on: the maintenance interface, a home with real repositories, users who push."),
		kong.Writers(out, errs),
		kong.Exit(func(code int) { panic(leave(code)) }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(streams{out, errs}),
	)
	if err != nil {
		return fail(errs, err, exitFailed)
	}
	line, err := parser.Parse(args)
	if err != nil {
		return fail(errs, err, exitUsage)
	}
	if err := line.Run(); err != nil {
		return fail(errs, err, exitFailed)
	}
	return exitDone
}

func fail(w io.Writer, err error, code int) int {
	_, _ = fmt.Fprintf(w, "bitbucket-sandbox: error: %v\n", err)
	if remedy := problem.Remedy(err); remedy != "" {
		_, _ = fmt.Fprintf(w, "bitbucket-sandbox: hint: %s\n", remedy)
	}
	return code
}

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/alecthomas/kong"

	"bkp/internal/problem"
)

type grammar struct {
	Run     runCmd     `cmd:"" default:"withargs" help:"Measure whole backups of a sandbox under load."`
	Passes  passesCmd  `cmd:"" help:"Measure the mirror's passes and the archive beside rsync and tar."`
	Tracked trackedCmd `cmd:"" help:"Measure the pass under the lock over very many files with few changes."`

	Archives archivesCmd `cmd:"" help:"Measure archives of each kind: three nights and a restore."`
	Amazon   amazonCmd   `cmd:"" help:"Measure the lock window on a stand-in for Amazon, beside the order of calls of Atlassian's scripts; needs Linux and root."`

	Measure     measureCmd     `cmd:"" hidden:"" help:"Run a command and write what it took."`
	Article     articleCmd     `cmd:"" hidden:"" help:"One backup by the article's method."`
	Pass        passCmd        `cmd:"" hidden:"" help:"One live pass of home mirror."`
	Store       storeCmd       `cmd:"" hidden:"" help:"Store one tree in an archive."`
	Fetch       fetchCmd       `cmd:"" hidden:"" help:"Unpack what store stored."`
	TrackedPass trackedPassCmd `cmd:"" hidden:"" help:"All passes of home mirror, with changes between them."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var g grammar
	line := kong.Parse(&g, kong.Name("bench"), kong.BindTo(ctx, (*context.Context)(nil)))
	err := line.Run(ctx)
	stop()
	if err == nil {
		return
	}
	fmt.Fprintf(os.Stderr, "bench: error: %v\n", err)
	if remedy := problem.Remedy(err); remedy != "" {
		fmt.Fprintf(os.Stderr, "bench: hint: %s\n", remedy)
	}
	os.Exit(1)
}

// itself is the path of this program, by which it starts its hidden commands.
// It is the name that it was called by: a test binary is several commands.
func itself() (string, error) {
	path, err := exec.LookPath(os.Args[0])
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

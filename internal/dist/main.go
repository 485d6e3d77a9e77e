// Command dist makes what is given to users: for each system a tarball with the
// program, its manual pages, completions and units of systemd; packages for Debian
// and Red Hat; a list of what is inside each program; and checksums of all of it. It
// is run by make dist.
//
// Two runs on the same commit are meant to make the same bytes: the program records its
// commit, and every time in a file is that of the commit ($SOURCE_DATE_EPOCH).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

// maker makes the files of one version in a folder.
type maker struct {
	// out is where the files go, work a folder for what they are made of.
	out, work string
	// nfpm makes packages, and sbom lists of what is inside a program.
	nfpm, sbom string
	// time is that of every file.
	time time.Time
}

func run(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("dist", flag.ContinueOnError)
	m := maker{}
	flags.StringVar(&m.out, "out", "dist", "the folder to make, which is replaced")
	flags.StringVar(&m.nfpm, "nfpm", "nfpm", "program that makes packages")
	flags.StringVar(&m.sbom, "sbom", "cyclonedx-gomod", "program that lists what is inside a program")
	ignore := flags.Bool("ignore-changes", false, "build the last commit although there are changes that are not committed")
	only := flags.String("targets", "", "systems such as linux/amd64,windows/amd64; all by default")
	if err := flags.Parse(args); err != nil {
		return err
	}
	targets, err := chosen(*only)
	if err != nil {
		return err
	}
	if m.time, err = timeOfSource(ctx); err != nil {
		return err
	}
	if m.work, err = os.MkdirTemp("", "bkp-dist-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(m.work)) }()
	if !*ignore {
		if err := refuseChanges(ctx); err != nil {
			return err
		}
	}
	if err := empty(m.out); err != nil {
		return err
	}
	if err := checkOut(ctx, m.source()); err != nil {
		return err
	}
	for _, t := range targets {
		if err := m.target(ctx, t); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	return checksums(m.out)
}

// empty makes the folder of the results anew. One with something else is refused.
func empty(out string) error {
	there, err := os.ReadDir(out)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range there {
		if e.Name() != sums && !strings.HasPrefix(e.Name(), "bkp") {
			return fmt.Errorf("%s holds %s, which is no package: choose another folder", out, e.Name())
		}
	}
	return errors.Join(os.RemoveAll(out), os.MkdirAll(out, 0o755))
}

// source is the folder of the checkout that programs are built from.
func (m maker) source() string { return filepath.Join(m.work, "source") }

// target makes all files of one system.
func (m maker) target(ctx context.Context, t target) error {
	dir := filepath.Join(m.work, t.os+"-"+t.arch)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	p, err := build(ctx, t, m.source(), dir)
	if err != nil {
		return err
	}
	list, err := m.list(ctx, p)
	if err != nil {
		return err
	}
	if err := m.archive(p); err != nil {
		return err
	}
	if t.os != "linux" {
		return nil
	}
	return m.packages(ctx, p, list)
}

// list writes the list of what is inside a program, and returns its path.
func (m maker) list(ctx context.Context, p program) (string, error) {
	path := filepath.Join(m.out, p.name()+".sbom.json")
	return path, tool(ctx, m.sbom, "bin", "-json", "-std", "-noserial", "-notimestamp", "-version", p.version, "-output", path, p.path)
}

// timeOfSource is $SOURCE_DATE_EPOCH, or the time of the commit.
func timeOfSource(ctx context.Context) (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		out, err := exec.CommandContext(ctx, "git", "log", "-1", "--format=%ct").Output()
		if err != nil {
			return time.Time{}, fmt.Errorf("the time of the commit is not known, set SOURCE_DATE_EPOCH: %w", err)
		}
		text = strings.TrimSpace(string(out))
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	return time.Unix(seconds, 0).UTC(), err
}

// tool runs a program; what it printed is in the error.
func tool(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

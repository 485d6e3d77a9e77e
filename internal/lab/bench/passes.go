package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"

	"bkp/internal/host"
	"bkp/internal/lab/sandbox"
)

type passesCmd struct {
	place
	Files  int   `default:"62000" help:"Files of the home."`
	Bytes  int64 `default:"1700000000" help:"Bytes of the home."`
	Rounds int   `default:"5" help:"How often each is measured."`
}

// recipients are those for whom an archive is encrypted. Nobody has kept their secret
// keys.
const recipients = "age1v0a3wfhdq74kgag53njwdn4ruv4ghrknjw4lmfezfytz6zxvda0qavnn5c\nage1dg07tsuultc4607gtsusfd6t370lk24awwhmtlaju3wnyklnlsrs4rpcv5\n"

// pass is one thing that is measured again and again.
type pass struct {
	name string
	argv []string
	// archive is what it writes, where its size matters.
	archive string
	// beside is the index of what it is compared with; its own for nothing.
	beside int
}

// Run measures the mirror's passes and the archive beside rsync and tar.
func (c *passesCmd) Run(ctx context.Context) error {
	for _, tool := range []string{"rsync", "tar"} {
		if _, err := (&host.Host{}).LookPath(tool); err != nil {
			return err
		}
	}
	return c.in(func(dir string) error {
		if err := makeHome(ctx, filepath.Join(dir, "home"), c.Files, c.Bytes); err != nil {
			return err
		}
		passes, err := c.passes(dir)
		if err != nil {
			return err
		}
		samples := make([][]sample, len(passes))
		for range c.Rounds {
			if err := round(ctx, dir, passes, samples); err != nil {
				return err
			}
		}
		return publish(c.Out, "passes", c.noted(c.table(passes, samples)))
	})
}

// makeHome makes a home that nobody writes to.
func makeHome(ctx context.Context, dir string, files int, bytes int64) error {
	return makeRepositories(ctx, dir, max(1, files/1240), files, bytes)
}

func makeRepositories(ctx context.Context, dir string, repositories, files int, bytes int64) error {
	say("making %s files of %s in %s", humanize.Comma(int64(files)), humanize.Bytes(uint64(bytes)), dir)
	h, err := sandbox.CreateHome(ctx, dir, sandbox.HomeOptions{Repositories: repositories, Commits: 5, Files: files, Bytes: bytes})
	if err != nil {
		return err
	}
	return h.Close()
}

func (c *passesCmd) passes(dir string) ([]pass, error) {
	self, err := itself()
	if err != nil {
		return nil, err
	}
	work, tgz := filepath.Join(dir, "work"), filepath.Join(dir, "rsync.tar.gz")
	home, tree, archive := filepath.Join(dir, "home"), filepath.Join(work, "copy"), filepath.Join(dir, "archive")
	sealed, keys := filepath.Join(dir, "sealed"), filepath.Join(dir, "recipients.txt")
	if err := os.WriteFile(keys, []byte(recipients), 0o600); err != nil {
		return nil, err
	}
	rsync := []string{"rsync", "-aH", "--delete", home + "/", filepath.Join(dir, "rsync") + "/"}
	mirror := []string{self, "pass", "--home", home, "--work", work}
	return []pass{
		{name: "first pass, rsync", argv: rsync, beside: 0},
		{name: "first pass, mirror", argv: mirror, beside: 0},
		{name: "unchanged full pass, rsync", argv: rsync, beside: 2},
		{name: "unchanged full pass, mirror", argv: mirror, beside: 2},
		{name: "archive, tar czf", argv: []string{"tar", "-C", tree, "-czf", tgz, "."}, archive: tgz, beside: 4},
		{name: "archive, bkp zstd", argv: []string{self, "store", "--tree", tree, "--destination", archive}, archive: archive, beside: 4},
		{name: "archive, bkp zstd and age", argv: []string{self, "store", "--tree", tree, "--destination", sealed, "--recipients", keys}, archive: sealed, beside: 5},
	}, nil
}

// round measures everything once, side by side, and removes what was written.
func round(ctx context.Context, dir string, passes []pass, samples [][]sample) error {
	for i, p := range passes {
		settle()
		s, err := measure(ctx, process{argv: p.argv}, filepath.Join(dir, "pass.log"))
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if p.archive != "" {
			if s.Archive, err = sizeOf(p.archive); err != nil {
				return err
			}
		}
		say("%s: %s", p.name, printTime(float64(s.Total)))
		samples[i] = append(samples[i], s)
	}
	var err error
	for _, name := range []string{"work", "rsync", "archive", "sealed", "rsync.tar.gz"} {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, name)))
	}
	return err
}

func (c *passesCmd) table(passes []pass, samples [][]sample) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s files of %s, %s\n\n| | median | range | CPU | memory | size | |\n|---|---|---|---|---|---|---|\n",
		humanize.Comma(int64(c.Files)), printBytes(float64(c.Bytes)), plural(c.Rounds, "round"))
	took := func(s sample) float64 { return float64(s.Total) }
	for i, p := range passes {
		m := measurement{Samples: samples[i]}
		s := m.spread(took)
		archive, ratio := "", ""
		if p.archive != "" {
			archive = printBytes(m.spread(func(s sample) float64 { return float64(s.Archive) }).median)
		}
		if p.beside != i {
			base := measurement{Samples: samples[p.beside]}.spread(took)
			ratio = printRatio(base.median/s.median) + " times as fast"
		}
		fmt.Fprintf(&b, "| %s | %s | %s to %s | %s | %s | %s | %s |\n", p.name, printTime(s.median), printTime(s.least), printTime(s.most),
			printTime(m.spread(func(s sample) float64 { return float64(s.CPU) }).median),
			printBytes(m.spread(func(s sample) float64 { return float64(s.Memory) }).most), archive, ratio)
	}
	return b.String()
}

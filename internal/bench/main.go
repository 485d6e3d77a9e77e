// Command bench measures bkp beside the tools that people use today, in one
// run on one machine, and prints ratios: absolute figures of a shared machine
// say little.
//
//	go run ./internal/bench                      60,000 files, 1.5 GB
//	go run ./internal/bench --files 1000000 --bytes 4000000000 --rounds 1
//
// Every measured pass is a process of its own, so that time, CPU and memory
// are those of the whole pass.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/dustin/go-humanize"

	"bkp/internal/host"
	"bkp/internal/sandbox"
	"bkp/providers"
	"bkp/providers/all"
)

type grammar struct {
	Run   runCmd   `cmd:"" default:"withargs" help:"Make the data and measure."`
	Pass  passCmd  `cmd:"" hidden:"" help:"One pass of a home strategy; run by run."`
	Store storeCmd `cmd:"" hidden:"" help:"Store one tree in an archive; run by run."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var g grammar
	k := kong.Parse(&g, kong.Name("bench"), kong.BindTo(ctx, (*context.Context)(nil)))
	k.FatalIfErrorf(k.Run(ctx))
}

type runCmd struct {
	Files  int    `default:"60000" help:"Files of the home."`
	Bytes  int64  `default:"1500000000" help:"Bytes of the home."`
	Rounds int    `default:"5" help:"How often each is measured."`
	Alone  bool   `help:"Measure bkp alone, not beside rsync and tar."`
	Dir    string `help:"Folder for the data; a temporary one if not given. It is removed."`
}

// Run measures and prints a table in Markdown.
func (c *runCmd) Run(ctx context.Context) (err error) {
	if _, err := exec.LookPath("rsync"); err != nil && !c.Alone {
		return errors.New("rsync is not there; install it: make deps")
	}
	dir, err := os.MkdirTemp(c.Dir, "bkp-bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	home := filepath.Join(dir, "home")
	h, err := sandbox.CreateHome(ctx, home, sandbox.HomeOptions{Repositories: 50, Commits: 5, Files: c.Files, Bytes: c.Bytes})
	if err != nil {
		return err
	}
	if err := h.Close(); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// A child's peak memory is counted from its parent's at the fork: what
	// making the data took is given back first.
	debug.FreeOSMemory()
	b := &bench{dir: dir, home: home, self: self, alone: c.Alone, samples: map[string][]sample{}}
	for range c.Rounds {
		if err := b.round(ctx); err != nil {
			return err
		}
	}
	fmt.Printf("%s files, %s, %d rounds, on 1 machine in 1 run\n\n", humanize.Comma(int64(c.Files)), humanize.Bytes(uint64(c.Bytes)), c.Rounds)
	b.print()
	return nil
}

// sample is one measured process.
type sample struct {
	wall, cpu time.Duration
	rss       int64 // bytes
	size      int64 // of what it wrote, where that matters
}

type bench struct {
	dir, home, self string
	alone           bool
	samples         map[string][]sample
}

// round measures everything once, side by side, so that noise hits all alike.
func (b *bench) round(ctx context.Context) error {
	work, copyDir := filepath.Join(b.dir, "work"), filepath.Join(b.dir, "rsync")
	mirror := []string{b.self, "pass", "--home", b.home, "--work", work}
	rsync := []string{"rsync", "-a", "-H", "--delete", b.home + "/", copyDir + "/"}
	tree := filepath.Join(work, "copy")
	for _, m := range []struct {
		name string
		argv []string
		out  string
	}{
		{"first pass, rsync", rsync, ""},
		{"first pass, mirror", mirror, ""},
		{"unchanged pass, rsync", rsync, ""},
		{"unchanged pass, mirror", mirror, ""},
		{"archive, tar czf", []string{"tar", "-C", tree, "-czf", filepath.Join(b.dir, "a.tar.gz"), "."}, filepath.Join(b.dir, "a.tar.gz")},
		{"archive, bkp zstd", []string{b.self, "store", "--tree", tree, "--destination", filepath.Join(b.dir, "archive")}, filepath.Join(b.dir, "archive")},
	} {
		if b.alone && m.argv[0] != b.self {
			continue
		}
		s, err := measure(ctx, m.argv)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		if m.out != "" {
			s.size = sizeOf(m.out)
		}
		b.samples[m.name] = append(b.samples[m.name], s)
	}
	for _, d := range []string{work, copyDir, filepath.Join(b.dir, "archive"), filepath.Join(b.dir, "a.tar.gz")} {
		if err := os.RemoveAll(d); err != nil {
			return err
		}
	}
	return nil
}

func measure(ctx context.Context, argv []string) (sample, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	begun := time.Now()
	err := cmd.Run()
	s := sample{wall: time.Since(begun)}
	if cmd.ProcessState != nil {
		s.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		s.rss = maxRSS(cmd.ProcessState)
	}
	return s, err
}

func sizeOf(path string) int64 {
	var n int64
	_ = filepath.Walk(path, func(_ string, fi os.FileInfo, err error) error {
		if err == nil && fi.Mode().IsRegular() {
			n += fi.Size()
		}
		return nil
	})
	return n
}

func (b *bench) print() {
	fmt.Println("| | median | range | CPU | memory | size | ratio |")
	fmt.Println("|---|---|---|---|---|---|---|")
	for _, pair := range [][2]string{
		{"first pass, rsync", "first pass, mirror"},
		{"unchanged pass, rsync", "unchanged pass, mirror"},
		{"archive, tar czf", "archive, bkp zstd"},
	} {
		var base time.Duration
		if !b.alone {
			base = b.row(pair[0], 0)
		}
		b.row(pair[1], base)
	}
	if b.alone {
		return
	}
	theirs := b.median("first pass, rsync") + b.median("unchanged pass, rsync") + b.median("archive, tar czf")
	ours := b.median("first pass, mirror") + b.median("unchanged pass, mirror") + b.median("archive, bkp zstd")
	fmt.Printf("\ntwo passes and the archive: %s with rsync and tar czf, %s with bkp: %.1f times faster\n",
		theirs.Round(time.Millisecond), ours.Round(time.Millisecond), float64(theirs)/float64(ours))
}

// row prints one measurement; base is the median it is compared with.
func (b *bench) row(name string, base time.Duration) time.Duration {
	all := b.samples[name]
	walls := make([]time.Duration, 0, len(all))
	var cpu time.Duration
	var rss, size int64
	for _, s := range all {
		walls = append(walls, s.wall)
		cpu = max(cpu, s.cpu)
		rss, size = max(rss, s.rss), max(size, s.size)
	}
	slices.Sort(walls)
	median := b.median(name)
	ratio, sizeText := "", ""
	if base > 0 {
		ratio = fmt.Sprintf("%.2f times as fast", float64(base)/float64(median))
	}
	if size > 0 {
		sizeText = humanize.Bytes(uint64(size))
	}
	fmt.Printf("| %s | %s | %s to %s | %s | %s | %s | %s |\n", name, round(median), round(walls[0]), round(walls[len(walls)-1]),
		round(cpu), humanize.Bytes(uint64(rss)), sizeText, ratio)
	return median
}

func (b *bench) median(name string) time.Duration {
	var walls []time.Duration
	for _, s := range b.samples[name] {
		walls = append(walls, s.wall)
	}
	slices.Sort(walls)
	return walls[len(walls)/2]
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

type passCmd struct {
	Home string `required:""`
	Work string `required:""`
}

// Run makes one live pass of home "mirror".
func (c *passCmd) Run(ctx context.Context) error {
	def, _ := all.Registry().Lookup(providers.KindHome, "mirror")
	cfg := def.NewConfig()
	for _, a := range def.Attributes() {
		if a.Name == "path" {
			a.Field(cfg).SetString(c.Home)
		}
	}
	s, err := def.Open(cfg, env("home.mirror.bench", c.Work))
	if err != nil {
		return err
	}
	p, ok := s.(providers.Preparer)
	if !ok {
		return errors.New("the strategy has no live pass")
	}
	return p.Prepare(ctx, benchID)
}

type storeCmd struct {
	Tree        string `required:""`
	Destination string `required:""`
}

// Run stores a tree by archive "tar".
func (c *storeCmd) Run(ctx context.Context) error {
	def, _ := all.Registry().Lookup(providers.KindArchive, "tar")
	cfg := def.NewConfig()
	for _, a := range def.Attributes() {
		if a.Name == "destination" {
			a.Field(cfg).SetString(c.Destination)
		}
	}
	a, err := def.OpenArchive(cfg, env("archive.tar.bench", c.Destination))
	if err != nil {
		return err
	}
	_, err = a.Store(ctx, providers.Manifest{
		Format: providers.ManifestFormat, ID: benchID, Instance: "bench",
		Artifacts: []providers.Artifact{{Address: "home.mirror.bench", Tree: c.Tree}},
	})
	return err
}

const benchID = providers.BackupID("bench-20261122T214431Z")

func env(address, work string) providers.Env {
	return providers.Env{Address: address, WorkDir: work, Host: &host.Host{}, Instance: providers.Instance{Name: "bench", EmbeddedDatabase: true}, Parallelism: 2}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/sync/errgroup"

	"bkp/internal/problem"
)

type grammar struct {
	Program string `default:"bin/bkp" help:"The bkp to lie to, a path or a name on PATH."`
	Dir     string `type:"path" help:"Folder for everything that it makes; by default one that is removed at the end."`
	Cases   int    `default:"700" help:"How many cases to carry out, spread over all calls and answers."`
	Seed    uint64 `default:"1" help:"Which sample."`
	Workers int    `default:"6" help:"How many cases run at once; they wait most of the time."`
	Only    string `placeholder:"CASE" help:"One case, as the report names it."`
	List    bool   `help:"List all cases."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var g grammar
	kong.Parse(&g, kong.Name("lies"), kong.Description("Answers in the instance's place, and looks at what bkp makes of it."))
	err := g.run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "lies: error: %v\n", err)
		if remedy := problem.Remedy(err); remedy != "" {
			fmt.Fprintf(os.Stderr, "lies: hint: %s\n", remedy)
		}
		os.Exit(1)
	}
}

func (g grammar) run(ctx context.Context, out io.Writer) (err error) {
	cases, wanted := shuffled(g.Seed), g.Cases
	switch {
	case g.List:
		for _, l := range every() {
			_, _ = fmt.Fprintln(out, l)
		}
		return nil
	case g.Only != "":
		l, err := parseLie(g.Only)
		if err != nil {
			return err
		}
		cases, wanted = []lie{l}, 1
	}
	program, err := exec.LookPath(g.Program)
	if err != nil {
		return problem.Wrap(err, "there is no bkp to lie to", "build it:\n\n    make build\n")
	}
	if program, err = filepath.Abs(program); err != nil {
		return err
	}
	dir := g.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "bkp-lies-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	c := &campaign{program: program, dir: dir, out: out, report: newReport(), show: g.Only != ""}
	return c.all(ctx, cases, wanted, max(g.Workers, 1))
}

// campaign is one run of many cases.
type campaign struct {
	program, dir string
	report       *report
	show         bool // what bkp says, too

	mu  sync.Mutex
	out io.Writer
}

func (c *campaign) say(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = fmt.Fprintf(c.out, format+"\n", args...)
}

// all carries out cases until as many as wanted have come, for not every call
// comes in every run.
func (c *campaign) all(ctx context.Context, cases []lie, wanted, workers int) error {
	begun := time.Now()
	for len(cases) > 0 && c.report.reached() < wanted {
		n := min(wanted-c.report.reached(), len(cases))
		if err := c.some(ctx, cases[:n], workers); err != nil {
			return err
		}
		cases = cases[n:]
	}
	c.report.took = time.Since(begun)
	return c.report.write(c.out)
}

// some carries out cases, a few at once, each worker in a scene of its own.
func (c *campaign) some(ctx context.Context, cases []lie, workers int) error {
	todo := make(chan lie)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(todo)
		for _, l := range cases {
			select {
			case todo <- l:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for n := range min(workers, len(cases)) {
		g.Go(func() error { return c.work(ctx, filepath.Join(c.dir, fmt.Sprint("scene-", n)), todo) })
	}
	return g.Wait()
}

// work carries out cases one after the other. After one that went wrong the
// scene is thrown away: what comes next is not to suffer from it.
func (c *campaign) work(ctx context.Context, dir string, todo <-chan lie) (err error) {
	var sc *scene
	defer func() {
		if sc != nil {
			err = errors.Join(err, sc.close())
		}
	}()
	for l := range todo {
		if sc == nil {
			if sc, err = newScene(ctx, c.program, dir); err != nil {
				return err
			}
		}
		o, err := sc.try(ctx, l)
		if err != nil {
			return fmt.Errorf("%s: %w", l, err)
		}
		c.tell(o)
		if len(o.violations) > 0 {
			if err := sc.close(); err != nil {
				return err
			}
			sc = nil
		}
	}
	return nil
}

func (c *campaign) tell(o *outcome) {
	n := c.report.add(o)
	for _, v := range o.violations {
		c.say("%s: %s: %s", o, v.promise, v.detail)
	}
	if c.show {
		c.say("%s\nreached %v, %s", o, o.reached, o.said)
	}
	if o.reached && n%100 == 0 {
		c.say("%d cases", n)
	}
}

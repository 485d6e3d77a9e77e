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
	"slices"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"bkp/internal/engine/drill"
	"bkp/internal/lab/bed"
	"bkp/internal/lab/torture/trace"
	"bkp/internal/problem"
)

type grammar struct {
	Program  string        `default:"bin/bkp" help:"The bkp to torture, a path or a name on PATH."`
	Restic   string        `placeholder:"PROGRAM" help:"The restic of the scenarios with +restic; by default the one that make beds builds. Without one they are left out."`
	Dir      string        `type:"path" help:"Folder for everything that it makes; by default one that is removed at the end."`
	Failures int           `default:"1100" help:"How many distinct failures to inject, spread over all scenarios, kinds and effects."`
	Kills    int           `default:"200" help:"How often bkp is killed at a random moment."`
	Every    bool          `help:"Inject every failure there is, instead of a sample."`
	Seed     uint64        `default:"1" help:"Which sample."`
	Budget   time.Duration `default:"8s" help:"Of the lock window where something hangs, which takes up to twice as long."`
	Within   time.Duration `default:"5s" help:"How long after the end of bkp an instance may stay locked."`
	Workers  int           `default:"2" help:"How many cases run at once."`
	In       []string      `placeholder:"SCENARIO" help:"Only in this scenario, such as postgresql/mirror/restore, or in those of a pattern, such as */*/restore; may be repeated."`
	Also     []string      `placeholder:"CASE" sep:"none" help:"A case to carry out besides the sample; may be repeated."`
	Only     string        `placeholder:"CASE" help:"One case, as the report names it."`
	List     bool          `help:"List the effects in each scenario, and inject nothing."`
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == trace.Command {
		fail(trace.Exec(os.Args[2:]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var g grammar
	kong.Parse(&g, kong.Name("torture"), kong.Description("Breaks bkp in every way, and reports what came of it."))
	err := g.run(ctx, os.Stdout)
	stop()
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintf(os.Stderr, "torture: error: %v\n", err)
	if remedy := problem.Remedy(err); remedy != "" {
		fmt.Fprintf(os.Stderr, "torture: hint: %s\n", remedy)
	}
	os.Exit(1)
}

// makePassable makes a folder through which the user of a server may come.
func makePassable(dir string) error {
	return errors.Join(os.MkdirAll(dir, 0o711), os.Chmod(dir, 0o711)) //nolint:gosec // whatever the umask is
}

// errViolated is returned when bkp did not keep what it promises.
var errViolated = errors.New("bkp did not keep its promises")

func (g grammar) run(ctx context.Context, out io.Writer) (err error) {
	chosen, err := matching(g.In)
	if err != nil {
		return err
	}
	restic, err := g.restic()
	if err != nil {
		return err
	}
	if restic == "" {
		if chosen, err = withoutRestic(out, chosen, len(g.In) > 0); err != nil {
			return err
		}
	}
	program, err := exec.LookPath(g.Program)
	if err != nil {
		return problem.Wrap(err, "there is no bkp to torture", "build it:\n\n    make build\n")
	}
	if program, err = filepath.Abs(program); err != nil {
		return err
	}
	dir := g.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "bkp-torture-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	scratch, err := os.MkdirTemp(drill.DefaultParent(), "bkp-torture-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	if err := makePassable(scratch); err != nil {
		return err
	}
	c := &campaign{site: site{program: program, dir: dir, scratch: scratch, restic: restic, seed: g.Seed, budget: g.Budget, within: g.Within}, out: out, workers: max(g.Workers, 1), scenarios: chosen, report: newReport(g.Budget)}
	c.tracers = make(chan *trace.Tracer, c.workers)
	for range c.workers { // before anything else is started
		t := trace.New()
		defer t.Close()
		c.tracers <- t
	}
	c.engines, err = startEngines(ctx, dir, chosen)
	defer func() { err = errors.Join(err, stopEngines(c.engines)) }()
	if err != nil {
		return err
	}
	if g.Only != "" {
		return c.only(ctx, g.Only)
	}
	cases, err := g.cases(ctx, c)
	if err != nil || g.List {
		return err
	}
	if err := c.all(ctx, cases, g.Kills); err != nil {
		return err
	}
	return c.report.write(out)
}

// restic is the path of its program, "" without one.
func (g grammar) restic() (string, error) {
	if g.Restic != "" {
		return exec.LookPath(g.Restic)
	}
	cache, err := bed.Cache()
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, "restic", "restic")
	if _, err := os.Stat(path); err != nil {
		return "", nil //nolint:nilerr // it was not made
	}
	return path, nil
}

// withoutRestic leaves out what needs restic, unless that was asked for.
func withoutRestic(out io.Writer, all []scenario, asked bool) ([]scenario, error) {
	needs := func(s scenario) bool { return s.archive == inRestic }
	if !slices.ContainsFunc(all, needs) {
		return all, nil
	}
	if asked {
		return nil, problem.New("there is no restic", "the scenarios with +restic need it", "make it, or name one with --restic:\n\n    make beds\n")
	}
	_, err := fmt.Fprintln(out, "no restic: the scenarios with +restic are left out; make beds makes it")
	return slices.DeleteFunc(slices.Clone(all), needs), err
}

// cases are those that were asked for. Without any of a sample, no backup is
// looked at.
func (g grammar) cases(ctx context.Context, c *campaign) ([]failure, error) {
	var cases []failure
	for _, text := range g.Also {
		f, err := parseFailure(text)
		if err != nil {
			return nil, err
		}
		cases = append(cases, f)
	}
	if g.Failures == 0 && !g.Every && !g.List {
		return cases, nil
	}
	effects, err := c.survey(ctx)
	switch {
	case err != nil:
		return nil, err
	case g.List:
		return nil, list(c.out, effects)
	case g.Every:
		return everyCase(effects), nil
	}
	return append(cases, choose(effects, g.Failures, g.Seed)...), nil
}

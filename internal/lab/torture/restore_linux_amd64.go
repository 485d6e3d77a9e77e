package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bkp/internal/lab/sandbox"
	"bkp/internal/records/catalog"
	"bkp/providers"
)

// judgeAct judges what an act is for, besides what holds for all.
func (c *scene) judgeAct(ctx context.Context, o *outcome) error {
	switch o.act {
	case actResume:
		return c.judgeResumed(ctx, o)
	case actRestore:
		return c.judgeRestored(ctx, o)
	case actDrill:
		return c.judgeDrilled(ctx, o)
	case actAgain, actFirst, actRecoverLocked, actRecoverStored:
	}
	return nil
}

// judgeResumed judges that what was captured is stored in the end.
func (c *scene) judgeResumed(ctx context.Context, o *outcome) error {
	all, err := c.listed(ctx)
	if err != nil {
		return err
	}
	for _, e := range all {
		if string(e.Manifest.ID) != c.subject {
			continue
		}
		if e.Status != catalog.Complete {
			o.broken(restores, "%s is %s after all", c.subject, e.Status)
		}
		return nil
	}
	o.broken(restores, "%s was captured, and is lost", c.subject)
	return nil
}

// judgeRestored judges a restore that says it is done; an interrupted one it
// makes again, as its user would.
func (c *scene) judgeRestored(ctx context.Context, o *outcome) (err error) {
	defer func() { err = errors.Join(err, c.clearTarget(ctx)) }()
	if o.Status.Exited() && o.Status.ExitStatus() == 0 {
		o.restored++
		return c.judgeConsistent(ctx, o, c.restoreDir())
	}
	left, err := content(c.restoreDir())
	if err = errors.Join(err, c.judgeBeside(o)); err != nil {
		return err
	}
	again, err := c.restoreAgain(ctx)
	if err != nil {
		return err
	}
	if again.code != 0 {
		o.broken(goesOn, "restore again: %s", again)
		return nil
	}
	o.restored++
	whole, err := content(c.restoreDir())
	if err != nil {
		return err
	}
	if len(left) > 0 && !maps.Equal(left, whole) {
		o.broken(restores, "the target held part of a home: %d of %d files", len(left), len(whole))
	}
	return errors.Join(c.judgeBeside(o), c.judgeConsistent(ctx, o, c.restoreDir()))
}

// judgeBeside judges what lies beside the target.
func (c *scene) judgeBeside(o *outcome) error {
	beside, err := os.ReadDir(filepath.Dir(c.restoreDir()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range beside {
		if e.Name() != filepath.Base(c.restoreDir()) {
			o.broken(tidy, "beside the target: %s", e.Name())
		}
	}
	return err
}

// restoreAgain restores undisturbed. A target that is refused, because something
// is there, is cleared first.
func (c *scene) restoreAgain(ctx context.Context) (spoken, error) {
	said, err := c.bkp(ctx, c.restoring(c.subject, c.restoreDir())...)
	if err != nil || said.code != 1 || !strings.Contains(said.err, "not empty") && !strings.Contains(said.err, "target database exists") {
		return said, err
	}
	if err := c.clearTarget(ctx); err != nil {
		return said, err
	}
	begun := time.Now()
	said, err = c.bkp(ctx, c.restoring(c.subject, c.restoreDir())...)
	c.took[actRestore] = time.Since(begun)
	return said, err
}

// restoreDir is where the act restores to.
func (c *scene) restoreDir() string { return filepath.Join(c.dir, "target", "home") }

// restoring are the arguments of a restore to a folder, and to the database that
// goes with it.
func (c *scene) restoring(id, target string) []string {
	args := []string{"restore", id, "--home", target, "--auto-approve"}
	if c.engine != nil {
		args = append(args, "--database", c.copyOf(target))
	}
	return args
}

// copyOf is the database that goes with a target.
func (c *scene) copyOf(target string) string {
	return c.name + filepath.Base(filepath.Dir(target))
}

func (c *scene) clearTarget(ctx context.Context) error { return c.remove(ctx, c.restoreDir()) }

// remove removes a restored home with its folder, and its database.
func (c *scene) remove(ctx context.Context, target string) error {
	err := os.RemoveAll(filepath.Dir(target))
	if c.engine != nil {
		err = errors.Join(err, c.engine.drop(ctx, c.copyOf(target)))
	}
	return err
}

// judgeConsistent judges what was restored.
func (c *scene) judgeConsistent(ctx context.Context, o *outcome, target string) error {
	database := sandbox.Embedded
	if c.engine != nil {
		database = c.engine.URL(c.copyOf(target))
	}
	report, err := sandbox.Check(ctx, sandbox.Checking{Home: target, Database: database})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		o.broken(restores, "what was restored cannot be read: %v", err)
	}
	if len(report.Failures) > 0 {
		o.broken(restores, "what was restored is not consistent: %q", report.Failures)
	}
	return nil
}

// content are the files of a folder with their sizes; none if it is not there.
func content(root string) (map[string]int64, error) {
	out := map[string]int64{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			out[path] = info.Size()
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return out, err
}

func (c *scene) records() catalog.Catalog {
	return catalog.Catalog{Dir: filepath.Join(c.stateDir(), "catalog")}
}

// scratch is where drills have their folders. The user of a server passes through.
func (c *scene) scratch() string { return filepath.Join(c.site.scratch, filepath.Base(c.dir)) }

// judgeDrilled judges that a drill says and records what it has proven, and
// nothing else, and that the next one proves the backup.
func (c *scene) judgeDrilled(ctx context.Context, o *outcome) error {
	d, err := c.records().Drill(providers.BackupID(c.subject))
	if err != nil {
		return err
	}
	good := o.Status.Exited() && o.Status.ExitStatus() == 0
	switch {
	case good && (d == nil || !d.Proven):
		o.broken(truthful, "a drill that is not recorded as a proof: %+v", d)
	case !good && !o.mayDie() && d != nil && d.Proven:
		o.broken(truthful, "%s, and it is recorded as a proof", o.how())
	case d != nil && !d.Proven:
		o.broken(truthful, "a good backup is recorded as a bad one: %q", d.Differences)
	}
	begun := time.Now()
	said, err := c.bkp(ctx, c.arguments(actDrill)...)
	if err != nil {
		return err
	}
	c.took[actDrill] = time.Since(begun)
	if d, err = c.records().Drill(providers.BackupID(c.subject)); err != nil {
		return err
	}
	if said.code != 0 || d == nil || !d.Proven {
		o.broken(goesOn, "the next drill: %s", said)
	}
	left, err := os.ReadDir(c.scratch())
	for _, e := range left {
		o.broken(tidy, "scratch/%s", e.Name())
	}
	if err != nil {
		return fmt.Errorf("scratch folder: %w", err)
	}
	return nil
}

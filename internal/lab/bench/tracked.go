package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"bkp/providers"
)

type trackedCmd struct {
	place
	Files   int   `default:"1000000" help:"Files of the home."`
	Bytes   int64 `default:"1000000000" help:"Bytes of the home."`
	Changes int   `default:"1000" help:"Files that change before each pass under the lock."`
	Rounds  int   `default:"5" help:"How often the pass under the lock is measured."`
}

// Run measures in a process of its own, for its memory.
func (c *trackedCmd) Run(ctx context.Context) error {
	return c.in(func(dir string) error {
		home := filepath.Join(dir, "home")
		if err := makeHome(ctx, home, c.Files, c.Bytes); err != nil {
			return err
		}
		self, err := itself()
		if err != nil {
			return err
		}
		figures := filepath.Join(dir, "tracked.json")
		s, err := measure(ctx, process{argv: []string{self, "tracked-pass", "--home", home, "--work", filepath.Join(dir, "work"),
			"--into", figures, "--changes", fmt.Sprint(c.Changes), "--rounds", fmt.Sprint(c.Rounds)}}, filepath.Join(dir, "tracked.log"))
		if err != nil {
			return err
		}
		text, err := os.ReadFile(figures)
		if err != nil {
			return err
		}
		var t trackedTimes
		if err := json.Unmarshal(text, &t); err != nil {
			return err
		}
		return publish(c.Out, "tracked", c.noted(c.table(t, s)))
	})
}

func (c *trackedCmd) table(t trackedTimes, s sample) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s files of %s, %s changed before each pass under the lock, %s\n\n| | median | range |\n|---|---|---|\n",
		humanize.Comma(int64(c.Files)), printBytes(float64(c.Bytes)), plural(c.Changes, "file"), plural(c.Rounds, "round"))
	for _, r := range []struct {
		name  string
		times []float64
	}{
		{"first live pass", []float64{t.First}}, {"live pass with nothing changed: a full one", t.Full}, {"pass under the lock", t.Locked},
	} {
		v := spreadOf(r.times)
		fmt.Fprintf(&b, "| %s | %s | %s to %s |\n", r.name, printTime(v.median), printTime(v.least), printTime(v.most))
	}
	fmt.Fprintf(&b, "\nMemory of all passes: %s.\n", printBytes(float64(s.Memory)))
	for _, w := range t.Warnings {
		fmt.Fprintf(&b, "\nThe mirror warned: %s\n", w)
	}
	return b.String()
}

// trackedTimes is what trackedPassCmd writes; times are nanoseconds.
type trackedTimes struct {
	First        float64
	Full, Locked []float64
	Warnings     []string
}

type trackedPassCmd struct {
	Home    string `required:""`
	Work    string `required:""`
	Into    string `required:"" help:"File for the figures."`
	Changes int    `required:""`
	Rounds  int    `required:""`
}

// Run makes the first pass; then, in each round, a live pass, the changes and
// the pass under the lock. The copy must then have every change.
func (c *trackedPassCmd) Run(ctx context.Context) error {
	var t trackedTimes
	took, err := c.backup(ctx, &t, 0)
	if err != nil {
		return err
	}
	t.First = took[0]
	for n := range c.Rounds {
		took, err := c.backup(ctx, &t, n+1)
		if err != nil {
			return err
		}
		t.Full, t.Locked = append(t.Full, took[0]), append(t.Locked, took[1])
	}
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return os.WriteFile(c.Into, text, 0o600)
}

// backup returns how long the live pass and the pass under the lock took.
func (c *trackedPassCmd) backup(ctx context.Context, t *trackedTimes, n int) (took [2]float64, err error) {
	s, err := openMirror(c.Home, c.Work, func(w string) { t.Warnings = append(t.Warnings, w) })
	if err != nil {
		return took, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	begun := time.Now()
	if err := s.Prepare(ctx, benchID); err != nil {
		return took, err
	}
	took[0] = float64(time.Since(begun))
	if err := change(c.Home, n, c.Changes); err != nil {
		return took, err
	}
	begun = time.Now()
	a, err := s.Capture(ctx, benchID)
	took[1] = float64(time.Since(begun))
	if err != nil {
		return took, err
	}
	return took, changed(a, n, c.Changes)
}

// changedFile is the nth file of a round: spread over a hundred repositories'
// folders, in the names of git's objects.
func changedFile(round, n int) string {
	return filepath.Join("shared", "data", "repositories", fmt.Sprint(n%100+1), "objects", fmt.Sprintf("%02x", n/100%256), fmt.Sprintf("changed-%d-%d", round, n))
}

// change writes the files of a round and removes those of the one before: as
// many changes as asked for, half of each where there was a round before.
func change(home string, round, changes int) error {
	for n := range changes {
		path := filepath.Join(home, changedFile(round, n/2))
		if n%2 == 1 {
			if err := os.Remove(filepath.Join(home, changedFile(round-1, n/2))); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			continue
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, []byte(path), 0o640)); err != nil {
			return err
		}
	}
	return nil
}

// changed proves that what was captured has the changes of the round.
func changed(a providers.Artifact, round, changes int) error {
	for n := range (changes + 1) / 2 {
		name := changedFile(round, n)
		if _, err := os.Stat(filepath.Join(a.Dir(), "home", name)); err != nil {
			return fmt.Errorf("the capture lacks a file: %w", err)
		}
	}
	for n := range changes / 2 {
		name := changedFile(round-1, n)
		if _, err := os.Stat(filepath.Join(a.Dir(), "home", name)); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("the capture has a file that was removed: %s: %w", name, err)
		}
	}
	return nil
}

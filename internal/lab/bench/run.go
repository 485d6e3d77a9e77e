package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/dustin/go-humanize"

	"bkp/internal/host"
	"bkp/internal/problem"
)

// place is where the data lies, and where the figures go.
type place struct {
	Dir  string `help:"Folder for the data; a temporary one if not given. What is made there is removed."`
	Out  string `placeholder:"docs" help:"Folder of performance.md, into which the tables go, too, and performance.svg."`
	Note string `placeholder:"TEXT" help:"Where and when it was measured; it stands above the tables."`
}

// in calls f with a folder of its own, and removes it.
func (p place) in(f func(dir string) error) (err error) {
	dir, err := os.MkdirTemp(p.Dir, "bkp-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// As root the database server runs as another user, who must get through.
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // nothing but names is seen
		return err
	}
	return f(dir)
}

// noted puts the note above a table.
func (p place) noted(text string) string {
	if p.Note == "" {
		return text
	}
	return p.Note + "\n\n" + text
}

type runCmd struct {
	size
	load
	place
	DatabaseDir string `help:"Folder for the database; that of the data if not given. What is made there is removed."`

	Scale    []int    `default:"1" help:"How many times as large, for each measurement: 1,3,10."`
	MaxBytes int64    `help:"The home is never larger than this, whatever the scale: what the disk has room for."`
	Rounds   []int    `default:"5" help:"How often each backup is measured, for each scale; the last holds for all that follow."`
	Methods  []string `default:"mirror,rsync,article" enum:"mirror,rsync,article" help:"What to measure: mirror and rsync are bkp's homes, article is the article's method."`
	Peer     string   `type:"existingdir" placeholder:"DIR" help:"Checkout of Atlassian's shell scripts, to be measured, too."`
	Program  string   `default:"bin/bkp" help:"The bkp to measure. Where it is not there, the one on PATH."`
	Before   string   `type:"existingfile" placeholder:"FILE" help:"Another bkp, such as an earlier build, to be measured in the same run."`
}

// Run measures at every scale. Each round is recorded at once: a round of a
// large scale takes an hour, and what ends the bench later must not lose it.
func (c *runCmd) Run(ctx context.Context) error {
	var err error
	if c.Program, err = findProgram(c.Program); err != nil {
		return err
	}
	for _, tool := range []string{"rsync", "tar", "git", "pg_dump", "pg_restore"} {
		if _, err := (&host.Host{}).LookPath(tool); err != nil {
			return err
		}
	}
	results, err := earlier(c.Out)
	if err != nil {
		return err
	}
	for i, scale := range c.Scale {
		rounds := c.Rounds[min(i, len(c.Rounds)-1)]
		if scale < 1 || rounds < 1 {
			return problem.New("nothing to measure", fmt.Sprintf("scale %d, %d rounds", scale, rounds), "give numbers of 1 and more")
		}
		z := c.times(scale, c.MaxBytes)
		err := c.folders(func(f folders) error {
			var last result
			err := c.measure(ctx, f, z, rounds, func(r result) error {
				r.Scale, r.Note = scale, c.Note
				last, results = r, replace(results, r)
				return record(c.Out, results)
			})
			if last.Rounds > 0 {
				_, printing := fmt.Println(last.table())
				err = errors.Join(err, printing)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// folders are where the home with everything that is made of it lies, and where
// the database does. They can be the same.
type folders struct{ data, database string }

// folders calls f with folders of its own, and removes them.
func (c *runCmd) folders(f func(folders) error) error {
	return c.in(func(data string) error {
		if c.DatabaseDir == "" {
			return f(folders{data, data})
		}
		return place{Dir: c.DatabaseDir}.in(func(database string) error { return f(folders{data, database}) })
	})
}

// measure makes the data of one scale and lets each method back it up: once
// with nothing there, then in rounds, side by side, so that what disturbs one
// disturbs all. The order stays: since its last backup each method has been
// followed by all others, so that all find as much of their working copies
// still in memory. After each round done gets all that is measured so far.
func (c *runCmd) measure(ctx context.Context, f folders, z size, rounds int, done func(result) error) (err error) {
	if err := c.room(f, z); err != nil {
		return err
	}
	say("making %s files of %s and a database of %s in %s", humanize.Comma(int64(z.Files)), humanize.Bytes(uint64(z.Bytes)), humanize.Bytes(uint64(z.Database)), f.data)
	s, err := openSite(ctx, f, z, c.load)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	methods, err := c.methods(s)
	if err != nil {
		return err
	}
	r := result{Size: z, Database: s.databaseBytes, Measurements: make([]measurement, len(methods))}
	for round := range rounds + 1 {
		for i := range methods {
			say("%s backs up, round %d of %d", methods[i].name, round, rounds)
			got, failures, err := methods[i].backup(ctx, s)
			r.Failures = append(r.Failures, failures...)
			if err != nil {
				return err
			}
			say("%s: window %s, drained to complete %s, whole run %s", methods[i].name,
				printTime(float64(got.Window)), printTime(float64(got.DrainedToComplete)), printTime(float64(got.Total)))
			m := &r.Measurements[i]
			if m.Method = methods[i].name; round == 0 {
				m.First = got
				continue
			}
			m.Samples = append(m.Samples, got)
		}
		if round == 0 {
			continue
		}
		whole := r
		whole.Rounds, whole.Pushes, whole.Measurements = round, s.pushes, slices.Clone(r.Measurements)
		if err := done(whole); err != nil {
			return err
		}
	}
	return nil
}

func (c *runCmd) methods(s *site) ([]*method, error) {
	var out []*method
	for _, name := range c.Methods {
		if name == "article" {
			m, err := articleMethod(s)
			if err != nil {
				return nil, err
			}
			out = append(out, m)
			continue
		}
		for _, program := range c.programs() {
			m, err := bkpMethod(s, program, name)
			if err != nil {
				return nil, err
			}
			out = append(out, m)
		}
	}
	if c.Peer == "" {
		return out, nil
	}
	m, err := peerMethod(s, c.Peer)
	return append(out, m), err
}

// programs are the builds of bkp to measure.
func (c *runCmd) programs() []program {
	out := []program{{path: c.Program}}
	if c.Before != "" {
		out = append(out, program{path: c.Before, label: "before"})
	}
	return out
}

// room refuses to begin what would fill a disk.
func (c *runCmd) room(f folders, z size) error {
	own, all := int64(0), int64(0)
	for _, name := range c.Methods {
		if name == "article" {
			all++
			continue
		}
		own += int64(len(c.programs()))
	}
	all += own
	if c.Peer != "" {
		all++
	}
	const block = 4096
	files := int64(z.Files)
	home := max(z.Bytes+files*block/2, files*block) // a file takes whole blocks
	dump := z.Database / 3                          // it is compressed, as an archive is
	// The home, a copy of each method, and what is restored; a dump of each; an
	// archive of each that keeps one, and the one that is being made.
	data := home*(1+all+1) + dump*all + (z.Bytes+dump)*(own+1)
	inodes := files * (1 + all + 1) * 11 / 10 // folders take some, too
	// What is restored lies beside the database.
	database := 2 * z.Database
	if f.database == f.data {
		return enough(f.data, data+database, inodes)
	}
	return errors.Join(enough(f.data, data, inodes), enough(f.database, database, 0))
}

func enough(dir string, bytes, inodes int64) error {
	space, err := (&host.Host{}).Space(dir)
	if err != nil {
		return err
	}
	detail := ""
	switch {
	case int64(space.Free) < bytes:
		detail = fmt.Sprintf("%s is free in %s, %s is needed", humanize.Bytes(space.Free), dir, humanize.Bytes(uint64(bytes)))
	case space.Inodes > 0 && int64(space.Inodes) < inodes:
		detail = fmt.Sprintf("%s inodes are free in %s, %s are needed", humanize.Comma(int64(space.Inodes)), dir, humanize.Comma(inodes))
	default:
		return nil
	}
	return problem.New("not enough room", detail, "name another folder with --dir or --database-dir, or measure less: --max-bytes, --methods, --scale")
}

// say prints on standard error how far the bench is.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...) }

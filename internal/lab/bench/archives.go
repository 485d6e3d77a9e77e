package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"bkp/internal/host"
	"bkp/internal/lab/bed"
	"bkp/internal/problem"
	"bkp/providers"
)

type archivesCmd struct {
	place
	Files        int      `default:"62000" help:"Files of the home."`
	Bytes        int64    `default:"1700000000" help:"Bytes of the home."`
	Repositories int      `default:"100" help:"Repositories of the home: one in a hundred is pushed to, and one in ten packed anew."`
	Rounds       int      `default:"3" help:"How often each is measured."`
	Kinds        []string `default:"tar,age,s3,restic" enum:"tar,age,s3,restic" help:"What to measure: tar in a folder, that encrypted with age, that in a bucket, and restic."`
}

// night is one of the backups that follow each other in a round.
type night struct {
	name string
	id   providers.BackupID
	// before is done to the home since the last one; nil for nothing.
	before func(ctx context.Context, home string, repositories int) error
}

var nights = []night{
	{"first", "bench-20261122T214431Z", nil},
	{"1 % pushed to", "bench-20261123T214431Z", pushed},
	{"10 % packed anew", "bench-20261124T214431Z", repacked},
}

// Run measures what archives of each kind take to store a home three times, and to bring
// it back.
func (c *archivesCmd) Run(ctx context.Context) error {
	for _, tool := range []string{"tar", "git"} {
		if _, err := (&host.Host{}).LookPath(tool); err != nil {
			return err
		}
	}
	if c.Rounds < 1 || c.Repositories < 1 {
		return problem.New("nothing to measure", fmt.Sprintf("%d rounds, %d repositories", c.Rounds, c.Repositories), "give numbers of 1 and more")
	}
	return c.in(func(dir string) (err error) {
		// The home and its copy, what restic keeps, one archive of tar, and what is restored.
		const times, repack = 5, 2
		if err := enough(dir, c.Bytes*times+c.Bytes/repack, int64(c.Files)*times); err != nil {
			return err
		}
		b := &archivesBench{archivesCmd: c, dir: dir}
		defer func() { err = errors.Join(err, b.close()) }()
		if err := b.open(ctx); err != nil {
			return err
		}
		return b.rounds(ctx)
	})
}

// rounds publishes the whole rounds, however the bench ends: one may take an hour.
func (b *archivesBench) rounds(ctx context.Context) error {
	var err error
	for err == nil && b.done < b.Rounds {
		say("round %d of %d", b.done+1, b.Rounds)
		if err = b.round(ctx); err == nil {
			b.done++
		}
	}
	if b.done == 0 {
		return err
	}
	return errors.Join(err, publish(b.Out, "archives", b.noted(b.table())))
}

// archivesBench is the bench while it runs.
type archivesBench struct {
	*archivesCmd

	dir   string
	self  string
	kinds []kind
	store *objectStore // nil without a bucket
	rows  []*archivesRow
	done  int // whole rounds
}

// kind is one kind of archive.
type kind struct {
	name string
	// label is for the table.
	label string
	env   []string
	// flags of store and fetch, and those of fetch alone.
	flags, fetching []string
	// holds is the folder in which the bytes lie.
	holds string
	// grows is set if earlier backups stay, and the next one takes the space of what is new.
	grows bool
}

func (b *archivesBench) open(ctx context.Context) error {
	var err error
	if b.self, err = itself(); err != nil {
		return err
	}
	if err := makeRepositories(ctx, b.home(), b.Repositories, b.Files, b.Bytes); err != nil {
		return err
	}
	for _, name := range b.Kinds {
		k, err := b.kindOf(ctx, name)
		if err != nil {
			return err
		}
		b.kinds = append(b.kinds, k)
	}
	return nil
}

func (b *archivesBench) close() error {
	if b.store == nil {
		return nil
	}
	return b.store.close()
}

func (b *archivesBench) at(name string) string { return filepath.Join(b.dir, name) }
func (b *archivesBench) home() string          { return b.at("home") }
func (b *archivesBench) copy() string          { return filepath.Join(b.at("work"), "copy") }

// kindOf prepares what an archive of a kind needs.
func (b *archivesBench) kindOf(ctx context.Context, name string) (kind, error) {
	k := kind{name: name, holds: b.at(name)}
	switch name {
	case "tar":
		k.label, k.flags = "tar in a folder", []string{"--destination", k.holds}
	case "age":
		recipients, identity, err := makeKeys(b.dir)
		k.label, k.flags, k.fetching = "tar and age in a folder", []string{"--destination", k.holds, "--recipients", recipients}, []string{"--identity", identity}
		return k, err
	case "s3":
		program, err := toolOf("versitygw")
		if err != nil {
			return k, err
		}
		if b.store, err = openObjectStore(ctx, program, b.at("store")); err != nil {
			return k, err
		}
		k.label, k.env, k.holds = "tar in a bucket", b.store.keys(), b.store.data
		k.flags = []string{"--destination", b.store.destination(), "--endpoint", b.store.endpoint}
	case "restic":
		program, err := toolOf("restic")
		k.label, k.grows = "restic in a folder", true
		k.flags = []string{"--kind", "restic", "--destination", k.holds, "--program", program}
		return k, err
	}
	return k, nil
}

// toolOf finds a program that make beds builds.
func toolOf(name string) (string, error) {
	cache, err := bed.Cache()
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, name, name)
	if _, err := os.Stat(path); err != nil {
		return "", problem.Wrap(err, "a program is missing", "make it:\n\n    make beds\n\nor measure without it: --kinds")
	}
	return path, nil
}

// round lets each kind store three nights, side by side, and bring back the last one.
func (b *archivesBench) round(ctx context.Context) error {
	for i, n := range nights {
		if n.before != nil {
			if err := n.before(ctx, b.home(), b.Repositories); err != nil {
				return err
			}
		}
		if err := run(ctx, b.self, "pass", "--home", b.home(), "--work", b.at("work")); err != nil {
			return err
		}
		for _, k := range b.kinds {
			if err := b.night(ctx, k, n, i == len(nights)-1); err != nil {
				return fmt.Errorf("%s, %s: %w", k.label, n.name, err)
			}
		}
	}
	if err := b.peers(ctx); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(b.at("restic")), os.RemoveAll(b.at("restic-work")), os.RemoveAll(b.at("work")))
}

// night stores one night by a kind of archive, and on the last one brings it back.
func (b *archivesBench) night(ctx context.Context, k kind, n night, last bool) error {
	before := int64(0)
	if k.grows {
		before, _ = sizeOf(k.holds) // it may not be there yet
	}
	args := slices.Concat([]string{"store", "--id", string(n.id), "--home", b.home(), "--mirror", b.at("work"), "--tree", b.copy(), "--work", b.at(k.name + "-work")}, k.flags)
	s, err := b.measure(ctx, "store, "+n.name+": "+k.label, b.self, k.env, args...)
	if err != nil {
		return err
	}
	if s.Archive, err = sizeOf(k.holds); err != nil {
		return err
	}
	s.Archive -= before
	b.row("store, "+n.name, k.label, s)
	if last {
		args := slices.Concat([]string{"fetch", "--id", string(n.id), "--to", b.at("restored"), "--work", b.at(k.name + "-work")}, k.flags, k.fetching)
		s, err := b.measure(ctx, "restore: "+k.label, b.self, k.env, args...)
		if err != nil {
			return err
		}
		b.row("restore", k.label, s)
		if err := b.sameAsCopy(ctx); err != nil {
			return err
		}
	}
	if k.grows {
		return nil
	}
	if k.name == "s3" {
		return b.store.empty()
	}
	return os.RemoveAll(k.holds)
}

// sameAsCopy compares what was restored with the working copy, and removes it.
func (b *archivesBench) sameAsCopy(ctx context.Context) error {
	want, err := sizeOf(b.copy())
	if err != nil {
		return err
	}
	got, err := sizeOf(b.at("restored"))
	if err == nil && got != want {
		err = fmt.Errorf("restored are %d bytes of %d", got, want)
	}
	if err == nil {
		err = run(ctx, "diff", "--recursive", "--brief", "--no-dereference", b.copy(), b.at("restored"))
	}
	return errors.Join(err, os.RemoveAll(b.at("restored")))
}

// peers measures restic by itself, and tar with gzip.
func (b *archivesBench) peers(ctx context.Context) error {
	if slices.Contains(b.Kinds, "restic") {
		if err := b.resticAlone(ctx); err != nil {
			return err
		}
	}
	tgz := b.at("peer.tar.gz")
	s, err := b.measure(ctx, "tar czf", "tar", nil, "-C", b.copy(), "-czf", tgz, ".")
	if err != nil {
		return err
	}
	if s.Archive, err = sizeOf(tgz); err != nil {
		return err
	}
	b.row("store, "+nights[len(nights)-1].name, "tar czf", s)
	if err := os.Mkdir(b.at("restored"), 0o700); err != nil {
		return err
	}
	if s, err = b.measure(ctx, "tar xzf", "tar", nil, "-C", b.at("restored"), "-xzf", tgz); err != nil {
		return err
	}
	b.row("restore", "tar xzf", s)
	return errors.Join(b.sameAsCopy(ctx), os.Remove(tgz))
}

// resticAlone restores the last night by restic itself.
func (b *archivesBench) resticAlone(ctx context.Context) error {
	program, err := toolOf("restic")
	if err != nil {
		return err
	}
	last := string(nights[len(nights)-1].id)
	env := []string{"RESTIC_REPOSITORY=" + b.at("restic"), "RESTIC_PASSWORD=" + resticPassword}
	s, err := b.measure(ctx, "restic restore", program, env, "restore", "latest", "--tag", "bkp:"+last+",bkp:part:home.mirror.bench",
		"--target", b.at("restored"), "--no-cache", "--sparse", "--quiet")
	if err != nil {
		return err
	}
	b.row("restore", "restic restore", s)
	return b.sameAsCopy(ctx)
}

// measure runs one process once everything before it is on the disk.
func (b *archivesBench) measure(ctx context.Context, what, program string, env []string, args ...string) (sample, error) {
	settle()
	s, err := measure(ctx, process{argv: append([]string{program}, args...), env: env}, b.at("bench.log"))
	if err != nil {
		return s, fmt.Errorf("%s: %w", what, err)
	}
	say("%s: %s", what, printTime(float64(s.Total)))
	return s, nil
}

func run(ctx context.Context, program string, args ...string) error {
	_, err := (&host.Host{}).Run(ctx, host.Command{Name: program, Args: args})
	return err
}

// repository is the folder of one of the home's.
func repository(home string, n int) string {
	return filepath.Join(home, "shared", "data", "repositories", strconv.Itoa(n))
}

// pushed is a day of five commits in one of a hundred repositories.
func pushed(ctx context.Context, home string, repositories int) error {
	const share, script = 100, `for n in 1 2 3 4 5; do
  blob=$(head -c 20000 /dev/urandom | git hash-object -w --stdin)
  tree=$(printf '100644 blob %s\tfile\n' "$blob" | git mktree)
  git update-ref refs/heads/pushed "$(git -c user.name=bench -c user.email=bench@example.com commit-tree -m "$n" "$tree")"
done`
	for n := 1; n <= max(1, repositories/share); n++ {
		if _, err := (&host.Host{}).Run(ctx, host.Command{Name: "sh", Args: []string{"-ec", script}, Dir: repository(home, n)}); err != nil {
			return err
		}
	}
	return nil
}

// repacked packs one of ten repositories as Bitbucket does.
func repacked(ctx context.Context, home string, repositories int) error {
	const share = 10
	for n := 1; n <= max(1, repositories/share); n++ {
		if err := run(ctx, "git", "-C", repository(home, n), "repack", "-adfln", "--quiet"); err != nil {
			return err
		}
	}
	return nil
}

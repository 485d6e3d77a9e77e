package restic

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
)

// archive is a repository.
type archive struct {
	cfg Config
	env providers.Env
	// holds is another holder, for whom this one works; "" for none.
	holds string
	// lockWait is how long restic waits for a lock of somebody else.
	lockWait time.Duration
	// reach is how long a repository may take to answer when it is looked at first.
	reach time.Duration
	// fault is asked before each of our own steps, nil for nothing. For tests.
	fault func(step string) error
}

var (
	_ providers.Archiver  = (*archive)(nil)
	_ providers.Compacter = (*archive)(nil)
)

func newArchive(cfg Config, env providers.Env) *archive {
	return &archive{cfg: cfg, env: env, lockWait: lockWait, reach: reach}
}

// Destination implements providers.Archiver.
func (a *archive) Destination() providers.Destination {
	d := providers.Destination{Name: a.shown(), Protected: a.refuses()}
	if kind, path, _ := a.cfg.backend(); kind == "local" {
		d.Name, d.Folder = filepath.Clean(path), filepath.Clean(path)
	}
	return d
}

// refuses reports whether the repository has refused to remove something.
func (a *archive) refuses() bool {
	_, err := os.Stat(a.work(refusedFile))
	return err == nil
}

// at is where an operator finds a backup.
func (a *archive) at(b providers.BackupID) string {
	return a.Destination().Name + " (" + tagBackup + string(b) + ")"
}

// The files in the work folder, besides restic's cache.
const (
	// refusedFile is there if the repository refused to remove something.
	refusedFile = "append-only"
	// shareFile has the number of the share that the next verification reads.
	shareFile = "share"
	// documentsDir has copies of manifests, by the ids of their snapshots.
	documentsDir = "manifests"
)

func (a *archive) work(name ...string) string {
	return filepath.Join(append([]string{a.env.WorkDir}, name...)...)
}

func (a *archive) makeWork() error { return os.MkdirAll(a.env.WorkDir, 0o700) }

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// holder names this archive of this state folder of this machine, in a tag.
func (a *archive) holder() string {
	if a.holds != "" {
		return a.holds
	}
	name, _ := os.Hostname()
	sum := sha256.Sum256([]byte("bkp:" + name + ":" + a.env.WorkDir))
	return hex.EncodeToString(sum[:8])
}

// host is that of all snapshots. It does not follow the machine's name: a home moves
// to another machine, and its history stays one.
func (a *archive) host(b providers.BackupID) string {
	if a.cfg.Host != "" {
		return a.cfg.Host
	}
	return b.Instance()
}

// atOnce is how many parts are stored or fetched at the same time. restic alone has
// two cores busy.
func (a *archive) atOnce() int { return max(1, min(a.env.Parallelism, runtime.GOMAXPROCS(0)/2)) }

// step is asked before each of our own steps.
func (a *archive) step(name string) error {
	if a.fault == nil {
		return nil
	}
	return a.fault(name)
}

// Discard implements providers.Archiver.
func (a *archive) Discard(ctx context.Context, b providers.BackupID) error {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return err
	}
	all, err := a.snapshots(ctx, b, false)
	if codeOf(err) == codeNone {
		return nil // nothing was stored where no repository is
	}
	if err != nil {
		return err
	}
	mine := all.only(tagBy + a.holder())
	if len(all.only(tagManifest)) > 0 {
		mine = mine.only(tagReserved)
	}
	return a.letBe(a.forget(ctx, b, mine.ids()))
}

// letBe makes a warning of a repository that removes nothing: it is meant to be so, and
// what is left of a run that failed does no harm there.
func (a *archive) letBe(err error) error {
	if p := asProblem(err); p != nil && p.Summary == keepsAll {
		a.env.Warning(p.Summary + ": " + p.Detail)
		return nil
	}
	return err
}

// Delete implements providers.Archiver. The manifest goes first: from then on nobody
// takes the rest for a backup. The space comes back with Compact.
func (a *archive) Delete(ctx context.Context, b providers.BackupID) error {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return err
	}
	all, err := a.snapshots(ctx, b, false)
	if err != nil {
		if codeOf(err) == codeNone {
			return nil
		}
		return err
	}
	for _, ids := range [][]string{all.only(tagManifest).ids(), all.without(tagManifest).ids()} {
		if err := a.forget(ctx, b, ids); err != nil {
			return err
		}
		if err := a.step("deleted"); err != nil {
			return err
		}
	}
	return nil
}

// Compact implements providers.Compacter.
func (a *archive) Compact(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, a.cfg.Prune.Deadline, errDeadline)
	defer cancel()
	err := a.exclusive(ctx, call{args: []string{"prune", "--max-repack-size", a.cfg.Prune.MaxRepack, "--max-unused", a.cfg.Prune.MaxUnused}})
	if errors.Is(err, errDeadline) {
		a.env.Warning("restic prune did not end within " + a.cfg.Prune.Deadline.String() + "; the next bkp prune goes on")
		return nil
	}
	return err
}

var errDeadline = errors.New("the deadline of prune is over")

func asProblem(err error) *problem.Problem {
	var p *problem.Problem
	if errors.As(err, &p) {
		return p
	}
	return nil
}

func addProblem(r *providers.Report, err error) error {
	if p := asProblem(err); p != nil {
		r.Add(p)
		return nil
	}
	return err
}

// newestFirst orders manifests.
func newestFirst(list []providers.Manifest) {
	slices.SortFunc(list, func(x, y providers.Manifest) int {
		if c := y.ID.Time().Compare(x.ID.Time()); c != 0 {
			return c
		}
		return strings.Compare(string(x.ID), string(y.ID))
	})
}

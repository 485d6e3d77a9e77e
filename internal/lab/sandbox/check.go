package sandbox

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bkp/internal/host"
)

// CheckResult is what Check has seen.
type CheckResult struct {
	Repositories int
	Branches     int
	Pushes       int
	// Unsettled are the branches that differ from their newest row by pushes of the
	// time that Checking.Within allows for.
	Unsettled int
	// Failures names each thing that is wrong, sorted. Empty: consistent.
	Failures []string
}

// Checking is what Check looks at.
type Checking struct {
	Home string
	// Database is the word embedded, or the URL of a PostgreSQL or MySQL database.
	Database string
	// Stores are the data stores of the home.
	Stores []string
	// Nodes are the homes of all Mesh nodes: each repository must be on as many of them
	// as it has replicas, the same on each.
	Nodes []string
	// Within is how long before its newest row the database may differ from the home,
	// for a backup that was made while users pushed: such pushes may have reached
	// one of them and not the other. 0 stands for one instant.
	Within time.Duration
}

// checker collects failures from many goroutines.
type checker struct {
	host host.Host
	// since is when pushes begin that home and database may differ by; zero if none
	// may.
	since time.Time
	mu    sync.Mutex
	CheckResult
}

// Check proves that a restored home and its database, the embedded one or the
// PostgreSQL or MySQL database at url, are of one instant: each branch is exactly what
// its newest row says, no commit that any row names is missing, with all it
// holds, and the repositories of one are those of the other. git itself proves
// each repository.
//
// The error is for a check that could not be carried out; a database that is
// torn is a failure.
func Check(ctx context.Context, what Checking) (CheckResult, error) {
	home, url := what.Home, what.Database
	c := &checker{}
	if _, err := c.host.LookPath("git"); err != nil {
		return CheckResult{}, err
	}
	found, err := repositoriesOnDisk(home, what.Stores)
	if err != nil {
		return CheckResult{}, err
	}
	rows, err := ReadDatabase(ctx, home, url)
	if err != nil {
		if url == "" || url == Embedded {
			c.failf("%v", err)
			return c.CheckResult, nil
		}
		return CheckResult{}, err
	}
	for _, name := range []string{".lock", "shared/.lock"} {
		if _, err := os.Lstat(filepath.Join(home, filepath.FromSlash(name))); err == nil {
			c.failf("%s is there: the instance would not start", name)
		}
	}
	c.Repositories, c.Pushes = len(rows.Repositories), len(rows.Pushes)
	pushes, newest := map[int][]Push{}, time.Time{}
	for _, p := range rows.Pushes {
		if p.At.After(newest) {
			newest = p.At
		}
		pushes[p.Repository] = append(pushes[p.Repository], p)
	}
	if what.Within > 0 {
		c.since = newest.Add(-what.Within)
	}
	nodes := c.nodes(what.Nodes)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, r := range rows.Repositories {
		dir, ok := found[r.ID]
		delete(found, r.ID)
		if !ok && len(nodes) > 0 {
			c.replicas(ctx, group, nodes, r.ID, pushes[r.ID])
			continue
		}
		if !ok {
			c.failf("repository %d is in the database and not on disk", r.ID)
			continue
		}
		group.Go(func() error { return c.repository(ctx, r.ID, dir, pushes[r.ID]) })
	}
	for id, dir := range found {
		c.failf("repository %d is on disk, in %s, and not in the database", id, dir)
	}
	err = group.Wait()
	slices.Sort(c.Failures)
	return c.CheckResult, err
}

func (c *checker) failf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Failures = append(c.Failures, fmt.Sprintf(format, args...))
}

// repositoriesOnDisk returns the folder of each repository by its id.
func repositoriesOnDisk(home string, stores []string) (map[int]string, error) {
	inHome := filepath.Join(home, "shared", "data", "repositories")
	if _, err := os.Stat(inHome); err != nil {
		return nil, err
	}
	patterns := []string{filepath.Join(inHome, "*")}
	for _, s := range stores {
		patterns = append(patterns, filepath.Join(s, "repositories", "*", "*", "*"))
	}
	found := map[int]string{}
	for _, p := range patterns {
		dirs, err := filepath.Glob(p)
		if err != nil {
			return nil, err
		}
		for _, dir := range dirs {
			if id, err := strconv.Atoi(filepath.Base(dir)); err == nil {
				found[id] = dir
			}
		}
	}
	return found, nil
}

// repository checks one repository against its rows. The error is of the
// context only: whatever git says is a failure.
func (c *checker) repository(ctx context.Context, id int, dir string, pushes []Push) error {
	c.locks(id, dir)
	branches, err := c.git(ctx, dir, "", "for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads")
	if err != nil {
		c.failf("repository %d: branches cannot be read: %v", id, err)
	}
	at := map[string]string{}
	for line := range strings.Lines(branches) {
		if name, commit, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			at[name] = commit
		}
	}
	newest, commits := map[string][]Push{}, strings.Builder{}
	for _, p := range pushes {
		newest[p.Branch] = append(newest[p.Branch], p)
		if c.isSettled(p) {
			commits.WriteString(p.Commit + "\n")
		}
	}
	for branch, rows := range newest {
		if got, last := at[branch], rows[len(rows)-1].Commit; got != last && !c.isUnsettled(ctx, dir, got, rows) {
			c.failf("repository %d: branch %s is at %q, its newest row says %s", id, branch, got, last)
		}
		delete(at, branch)
	}
	for branch, commit := range at {
		if !c.isUnsettled(ctx, dir, commit, nil) {
			c.failf("repository %d: branch %s has no row", id, branch)
		}
	}
	// rev-list walks from every commit that a row names to its last blob.
	if len(pushes) == 0 {
		c.failf("repository %d has no row of a push", id)
	} else if _, err := c.git(ctx, dir, commits.String(), "rev-list", "--objects", "--quiet", "--stdin"); err != nil {
		c.failf("repository %d: a commit that a row names is not whole: %v", id, err)
	}
	if out, err := c.git(ctx, dir, "", "fsck", "--full", "--no-dangling", "--no-progress"); err != nil {
		c.failf("repository %d: git fsck: %v: %s", id, err, strings.Join(strings.Fields(out), " "))
	}
	c.mu.Lock()
	c.Branches += len(newest)
	c.mu.Unlock()
	return ctx.Err()
}

func (c *checker) isSettled(p Push) bool { return c.since.IsZero() || p.At.Before(c.since) }

// isUnsettled reports whether a branch is where pushes may have left it that reached
// the home and not the database, or the other way round: at a commit of one of
// these, or at the one before them.
func (c *checker) isUnsettled(ctx context.Context, dir, commit string, rows []Push) bool {
	if c.since.IsZero() {
		return false
	}
	i := slices.IndexFunc(rows, func(p Push) bool { return p.Commit == commit })
	switch {
	case commit == "": // the branch is younger than the home
		if slices.ContainsFunc(rows, c.isSettled) {
			return false
		}
	case i >= 0: // all rows after it are of such pushes
		if slices.ContainsFunc(rows[i+1:], c.isSettled) {
			return false
		}
	default: // the home is ahead
		date, err := c.git(ctx, dir, "", "show", "--no-patch", "--format=%ct", commit)
		at, err2 := strconv.ParseInt(strings.TrimSpace(date), 10, 64)
		if err != nil || err2 != nil || time.Unix(at+1, 0).Before(c.since) {
			return false
		}
		if len(rows) > 0 {
			if _, err := c.git(ctx, dir, "", "merge-base", "--is-ancestor", rows[len(rows)-1].Commit, commit); err != nil {
				return false
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Unsettled++
	return true
}

// locks finds lock files that would stop git from writing.
func (c *checker) locks(id int, dir string) {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && filepath.Dir(path) == dir && d.Name() == "objects" {
			return fs.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(d.Name(), ".lock") {
			c.failf("repository %d: stale lock file %s", id, path)
		}
		return nil
	})
	if err != nil {
		c.failf("repository %d: %v", id, err)
	}
}

// git runs git on a repository, no matter who owns it: a folder that is named is not
// subject to git's ownership check.
func (c *checker) git(ctx context.Context, dir, stdin string, args ...string) (string, error) {
	return c.host.Output(ctx, host.Command{
		Name:  "git",
		Args:  append([]string{"--git-dir=" + dir}, args...),
		Env:   []string{"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull},
		Stdin: strings.NewReader(stdin),
	})
}

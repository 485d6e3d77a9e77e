package rsync

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers/home"
	"bkp/providers/home/internal/treesync"
)

// pass is a home.Pass.
func (s *strategy) pass(ctx context.Context, strict bool, changes map[int]treesync.Changes) error {
	if strict {
		if err := s.Refresh(ctx); err != nil {
			return err
		}
		return s.copy(ctx, strict, changes)
	}
	if err := s.markUnconfirmed(); err != nil {
		return err
	}
	if err := s.copy(ctx, strict, changes); err != nil {
		return err
	}
	if err := s.sendChanged(ctx, changes); err != nil {
		return err
	}
	return s.sealLive(ctx)
}

// copy copies all parts. They do not depend on each other, and the time of most
// passes is that of starting rsync.
func (s *strategy) copy(ctx context.Context, strict bool, changes map[int]treesync.Changes) error {
	g, ctx := errgroup.WithContext(ctx)
	for i, p := range s.Parts() {
		if err := os.MkdirAll(s.CopyOf(p), 0o700); err != nil {
			return errors.Join(err, g.Wait())
		}
		c, tracked := changes[i]
		if !tracked {
			g.Go(func() error {
				return s.walk(ctx, strict, p, s.content(p, fullArguments(*s.able, p, s.CopyOf(p))), nil)
			})
			continue
		}
		w, err := list(p, c)
		if err != nil {
			return errors.Join(err, s.torn.owe(ctx, i, p, c), g.Wait())
		}
		w.named = s.torn.join(i, w.named)
		if w.root != "" {
			var outside []string
			w.named, outside = parted(w.named, w.root)
			g.Go(func() error {
				return s.walk(ctx, strict, p, outsideArguments(*s.able, p, s.CopyOf(p), w.root), outside)
			})
		}
		g.Go(func() error { return s.bring(ctx, strict, p, w) })
	}
	return g.Wait()
}

// parted divides names by whether they lie below a folder, or are it.
func parted(names []string, folder string) (below, outside []string) {
	for _, n := range names {
		if n == folder || strings.HasPrefix(n, folder+"/") {
			below = append(below, n)
		} else {
			outside = append(outside, n)
		}
	}
	return below, outside
}

// walk runs rsync once over what no tracker answers for, and then over what is named
// there: one after the other, because the first would take a temporary file of the
// second for one that the home does not have. Under the lock nothing may change
// meanwhile: rsync reads a file that is written to as it finds it, and reports nothing,
// so it is asked once more what differs.
func (s *strategy) walk(ctx context.Context, strict bool, p home.Part, args, named []string) error {
	if err := s.run(ctx, strict, p, args, nil); err != nil {
		return err
	}
	if len(named) > 0 {
		if err := s.run(ctx, strict, p, namedArguments(*s.able, p, s.CopyOf(p)), named); err != nil {
			return err
		}
	}
	if !strict {
		return nil
	}
	text, err := s.Env.Host.Output(ctx, host.Command{Name: s.tool, Args: askArguments(args), Stderr: s.Env.Log, Still: s.patience})
	if err != nil {
		return explain(err, p)
	}
	if moved := differing(text, p.Volatile); moved != "" {
		return problem.New("file changed under the lock", fmt.Sprintf("%q: it changed while the instance was locked", moved), lockRemedy)
	}
	return nil
}

// bring copies what changed.
func (s *strategy) bring(ctx context.Context, strict bool, p home.Part, w work) error {
	if len(w.named) > 0 {
		if err := s.run(ctx, strict, p, namedArguments(*s.able, p, s.CopyOf(p)), w.named); err != nil {
			return err
		}
	}
	if len(w.trees) == 0 {
		return nil
	}
	if err := s.run(ctx, strict, p, treesArguments(*s.able, p, s.CopyOf(p)), w.trees); err != nil {
		return err
	}
	// Making them changed the times of the folders that hold them.
	return s.run(ctx, strict, p, namedArguments(*s.able, p, s.CopyOf(p)), holders(w.trees))
}

// run runs rsync with paths on its standard input, a live pass again where that
// may help.
func (s *strategy) run(ctx context.Context, strict bool, p home.Part, args, paths []string) error {
	words := &complaints{log: s.Env.Log}
	out, args := s.reporting(p, args)
	c := host.Command{Name: s.tool, Args: args, Stdout: out, Stderr: words, Still: s.patience}
	if !strict {
		c.OK = []int{vanished}
	}
	var err error
	for try := 1; ; try++ {
		if paths != nil {
			c.Stdin = strings.NewReader(strings.Join(paths, "\x00") + "\x00")
		}
		if _, err = s.Env.Host.Run(ctx, c); err != nil {
			s.failed(p)
		}
		if err = words.explain(err); strict || !again(err, try) {
			break
		}
		if paths != nil {
			if paths = reachable(p.Source, paths); len(paths) == 0 {
				return nil
			}
		}
	}
	if err != nil {
		return explain(err, p)
	}
	return nil
}

// reachable leaves out the paths below source if a folder of theirs is something else
// by now. rsync passes over an argument that is gone (ENOENT), and fails for such a
// one (ENOTDIR), however often it tries. That its folder was replaced is a change of
// its own, which a later pass copies.
func reachable(source string, paths []string) []string {
	known := map[string]bool{".": true}
	var isFolder func(rel string) bool
	isFolder = func(rel string) bool {
		if is, ok := known[rel]; ok {
			return is
		}
		is := isFolder(path.Dir(rel))
		if is {
			info, err := os.Lstat(filepath.Join(source, rel))
			is = err != nil && errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir()
		}
		known[rel] = is
		return is
	}
	return slices.DeleteFunc(slices.Clone(paths), func(p string) bool { return !isFolder(path.Dir(path.Clean(p))) })
}

// How often a live pass is made at most: when files could not be read, and when
// all that is known of is something else in the place of a file.
const (
	triesUnread   = 3
	triesReplaced = 12
)

// again reports whether a live pass is made once more. While users work, what
// takes another's place is as good a reason to fail as what cannot be read. Only
// the latter stays.
func again(err error, try int) bool {
	var exit *host.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	if exit.Code == protocol || exit.Code == stream {
		return try < triesReplaced // both ends are the same rsync: a changing tree confused them
	}
	if exit.Code != partial {
		return false
	}
	return try < triesUnread || try < triesReplaced && replacedOnly(exit.Stderr)
}

// replacedOnly reports whether rsync complains of nothing but a link, a folder or
// nothing where it had seen a file or a folder just before.
func replacedOnly(stderr string) bool {
	for _, line := range strings.Split(stderr, "; ") {
		if strings.Contains(line, "failed") && !replaced.MatchString(line) {
			return false
		}
	}
	return replaced.MatchString(stderr)
}

// replaced matches what the system calls it, ENOENT, ENOTDIR, EISDIR or ELOOP, and
// what rsync says of a file that changed while it was read.
var replaced = regexp.MustCompile(`\((2|20|21|40)\)|failed verification -- update discarded`)

// explain adds what rsync's exit codes mean for a backup.
func explain(err error, p home.Part) error {
	var still *host.StillError
	if errors.As(err, &still) {
		return problem.Wrapf(err, "rsync hangs", "install another version of rsync, or use home \"mirror\", which needs none",
			"%s", fmt.Sprintf("copying %s", p.Source))
	}
	var exit *host.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	remedy := "see the run's log for all that rsync said"
	switch exit.Code {
	case vanished:
		return problem.Wrapf(err, "file changed under the lock", lockRemedy, "%s", p.Source)
	case 11: // input or output, most often a full disk
		remedy = "make room on the file system of the state folder"
	case partial:
		remedy = "run bkp as the user that Bitbucket runs as, or as root, on a file system that keeps what the home's keeps"
	}
	return problem.Wrapf(err, "rsync failed", remedy, "%s", fmt.Sprintf("copying %s", p.Source))
}

package drill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"bkp/internal/host"
	"bkp/providers"
)

// shownLines is how many of git's complaints about a repository are reported.
const shownLines = 3

// git reads repositories of a restored home, and nothing outside of it: the
// live home may be on the same machine, with what the backup lacks.
type git struct {
	host *host.Host
	// inside is the only folder that may be read.
	inside string
	// moved maps folders of the backed up home to where they lie now.
	moved map[string]string
}

func newGit(h *host.Host, inside string, set providers.RepositorySet) *git {
	if real, err := filepath.EvalSymlinks(inside); err == nil {
		inside = real
	}
	moved := map[string]string{}
	for from, to := range set.Moved {
		moved[filepath.Clean(from)] = to
		if real, err := filepath.EvalSymlinks(from); err == nil {
			moved[real] = to // as Bitbucket may have written it
		}
	}
	return &git{h, inside, moved}
}

// read returns what git finds wrong, "" for nothing. What it finds once, it may
// have found for want of memory, or because somebody killed a part of it.
func (g *git) read(ctx context.Context, r providers.Repository) (wrong string, err error) {
	if wrong, err = g.fsck(ctx, r); wrong == "" && err == nil || ctx.Err() != nil {
		return wrong, err
	}
	return g.fsck(ctx, r)
}

// fsck lets git read a repository. The error is for what is not about the repository.
// Blobs are not read: they have the checksums of the backup.
func (g *git) fsck(ctx context.Context, r providers.Repository) (wrong string, err error) {
	for _, part := range []string{"", "objects", "objects/pack", "refs"} {
		path := filepath.Join(r.Dir, part)
		real, err := filepath.EvalSymlinks(path)
		if errors.Is(err, fs.ErrNotExist) && part != "" {
			continue // git knows what a repository needs
		}
		if host.IsTrouble(err) {
			return "", err
		}
		if err != nil {
			return err.Error(), nil //nolint:nilerr // that is wrong with the repository
		}
		if !g.within(real) {
			return fmt.Sprintf("%s leads to %s, which the backup does not hold", part, real), nil
		}
	}
	var out bytes.Buffer
	_, err = g.host.Run(ctx, host.Command{
		Name: "git",
		Args: []string{
			"--git-dir=" + r.Dir, "-c", "core.fsmonitor=false", "-c", "core.hooksPath=" + os.DevNull,
			"fsck", "--connectivity-only", "--no-dangling", "--no-progress",
		},
		Env:    gitEnv(),
		Stdout: &out,
	})
	if err == nil || host.IsTrouble(err) {
		return "", err
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) > shownLines {
		lines = append(lines[:shownLines], fmt.Sprintf("and %d more", len(lines)-shownLines))
	}
	return strings.TrimPrefix(strings.Join(lines, "; ")+"; "+err.Error(), "; "), nil
}

// gitEnv keeps the configuration of this machine out.
func gitEnv() []string {
	return []string{"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull}
}

func (g *git) within(path string) bool {
	return path == g.inside || strings.HasPrefix(path, g.inside+string(filepath.Separator))
}

// alternates leads forks, which borrow objects of the repository that they were
// forked from, to where that lies now. It returns what cannot be led anywhere,
// by the repository's folder.
func (g *git) alternates(list []providers.Repository) (wrong map[string]string, err error) {
	wrong = map[string]string{}
	for _, r := range list {
		err := g.lead(r)
		if host.IsTrouble(err) && !errors.Is(err, fs.ErrPermission) { // the modes are the backup's
			return nil, err
		}
		if err != nil {
			wrong[r.Dir] = err.Error()
		}
	}
	return wrong, nil
}

func (g *git) lead(r providers.Repository) error {
	objects := filepath.Join(r.Dir, "objects")
	file := filepath.Join(objects, "info", "alternates")
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var out strings.Builder
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if text, err := strconv.Unquote(line); err == nil {
			line = text
		}
		to, err := g.now(objects, line)
		if err != nil {
			return err
		}
		out.WriteString(to + "\n")
	}
	// Replaced, not changed: the file may have other names.
	return errors.Join(os.Remove(file), os.WriteFile(file, []byte(out.String()), 0o600))
}

// now is where the objects lie that a repository borrows.
func (g *git) now(objects, from string) (string, error) {
	to := filepath.Clean(from)
	if !filepath.IsAbs(to) {
		to = filepath.Join(objects, to)
	}
	for old, now := range g.moved {
		if rest, ok := strings.CutPrefix(to, old+string(filepath.Separator)); ok && !g.within(to) {
			to = filepath.Join(now, rest)
			break
		}
	}
	real, err := filepath.EvalSymlinks(to)
	if err != nil || !g.within(real) {
		return "", fmt.Errorf("it borrows objects from %s, which the backup does not hold", from)
	}
	return real, nil
}

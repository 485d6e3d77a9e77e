//go:build unix

package home_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bkp/providers/home"
)

// git runs git in dir, and returns what it says.
func git(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...)
	c.Env = append(os.Environ(), "LC_ALL=C", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
	out, err := c.CombinedOutput()
	return string(out), err
}

// TestGitWorksOnceItsStaleLocksAreRemoved leaves each lock that git 2.39 makes,
// asks git itself whether it blocks, and asks it again after the removal.
func TestGitWorksOnceItsStaleLocksAreRemoved(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git; make deps installs it")
	}
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	pid := fmt.Sprintf("%d %s", os.Getpid(), hostname)
	for lock, c := range map[string]struct {
		content string
		command []string
		// quiet is what git says when it skips the work with success.
		quiet string
	}{
		"HEAD.lock":                      {command: []string{"symbolic-ref", "HEAD", "refs/heads/other"}},
		"config.lock":                    {command: []string{"config", "a.b", "c"}},
		"config.worktree.lock":           {command: []string{"config", "--worktree", "a.b", "c"}},
		"index.lock":                     {command: []string{"read-tree", "main"}},
		"gc.pid":                         {content: pid, command: []string{"gc"}},
		"gc.pid.lock":                    {command: []string{"gc"}},
		"packed-refs.lock":               {command: []string{"pack-refs", "--all"}},
		"packed-refs.new":                {command: []string{"pack-refs", "--all"}},
		"shallow.lock":                   {command: []string{"fetch", "--depth=1", "SOURCE", "main"}},
		"ORIG_HEAD.lock":                 {command: []string{"update-ref", "ORIG_HEAD", "main"}},
		"AUTO_MERGE.lock":                {command: []string{"update-ref", "AUTO_MERGE", "main"}},
		"refs/heads/main.lock":           {command: []string{"branch", "-D", "main"}},
		"logs/refs/heads/main.lock":      {command: []string{"reflog", "expire", "--expire=now", "refs/heads/main"}},
		"objects/info/commit-graph.lock": {command: []string{"commit-graph", "write", "--reachable"}},
		"objects/info/commit-graphs/commit-graph-chain.lock": {command: []string{"commit-graph", "write", "--reachable", "--split"}},
		"objects/pack/multi-pack-index.lock":                 {command: []string{"multi-pack-index", "write"}},
		"objects/maintenance.lock":                           {command: []string{"maintenance", "run", "--no-quiet", "--task=gc"}, quiet: "skipping maintenance"},
		"worktrees/w/HEAD.lock":                              {command: []string{"-C", "WORKTREE", "checkout", "--detach"}},
		"worktrees/w/index.lock":                             {command: []string{"-C", "WORKTREE", "reset", "--hard"}},
	} {
		t.Run(strings.ReplaceAll(lock, "/", "_"), func(t *testing.T) {
			dir, repo, command := repository(t, c.command)
			path := filepath.Join(repo, lock)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(c.content), 0o644); err != nil {
				t.Fatal(err)
			}
			out, err := git(t, repo, command...)
			if blocked := err != nil || c.quiet != "" && strings.Contains(out, c.quiet); !blocked {
				t.Fatalf("it does not block git: %s", out)
			}
			if n, err := home.RemoveStaleLocks(t.Context(), dir); err != nil || n != 1 {
				t.Fatalf("removed %d, %v", n, err)
			}
			out, err = git(t, repo, command...)
			if err != nil || c.quiet != "" && strings.Contains(out, c.quiet) {
				t.Errorf("git %v: %v\n%s", command, err, out)
			}
			if out, err := git(t, repo, "fsck", "--full"); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// repository makes a bare one in a home, with packs, packed refs and a worktree,
// and puts its places into a command.
func repository(t *testing.T, command []string) (dir, repo string, filled []string) {
	t.Helper()
	dir = t.TempDir()
	source, tree := filepath.Join(dir, "source"), filepath.Join(dir, "w")
	repo = filepath.Join(dir, "shared", "data", "repositories", "1")
	for _, step := range [][]string{
		{dir, "init", "-q", "-b", "main", source},
		{source, "commit", "-q", "--allow-empty", "-m", "one"},
		{source, "commit", "-q", "--allow-empty", "-m", "two"},
		{dir, "clone", "-q", "--bare", source, repo},
		{repo, "config", "core.logAllRefUpdates", "true"},
		{repo, "config", "extensions.worktreeConfig", "true"},
		{repo, "config", "--worktree", "core.bare", "true"},
		{repo, "config", "--unset", "core.bare"},
		{repo, "repack", "-adq"},
		{repo, "update-ref", "-m", "log", "refs/heads/main", "main~1"},
		{repo, "worktree", "add", "-q", "--detach", tree, "main"},
	} {
		if out, err := git(t, step[0], step[1:]...); err != nil {
			t.Fatalf("git %v: %v\n%s", step, err, out)
		}
	}
	places := strings.NewReplacer("SOURCE", "file://"+source, "WORKTREE", tree)
	for _, arg := range command {
		filled = append(filled, places.Replace(arg))
	}
	return dir, repo, filled
}

package bare

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("git is missing; install it with: make deps")
		}
		t.Skip("git is missing; install it with: make deps")
	}
	out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// commit makes a commit with one file and moves the branch to it.
func commit(t *testing.T, r *Repository, branch, parent, content string) string {
	t.Helper()
	blob, err := r.Blob([]byte(content), len(content)%2 == 0)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := r.Tree([]File{{"b.txt", blob}, {"a.txt", blob}})
	if err != nil {
		t.Fatal(err)
	}
	hash, err := r.Commit(tree, parent, "Write "+content, time.Unix(1e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Move(branch, parent, hash); err != nil {
		t.Fatal(err)
	}
	return hash
}

func repository(t *testing.T) *Repository {
	t.Helper()
	r, err := Init(filepath.Join(t.TempDir(), "1"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestGitAcceptsIt(t *testing.T) {
	r := repository(t)
	first := commit(t, r, "main", "", "first")
	second := commit(t, r, "main", first, "second")
	if out := git(t, r.Dir(), "fsck", "--full", "--strict"); strings.Contains(out, "error") || strings.Contains(out, "dangling") {
		t.Errorf("fsck: %s", out)
	}
	if got := strings.TrimSpace(git(t, r.Dir(), "rev-parse", "main")); got != second {
		t.Errorf("main is at %s, want %s", got, second)
	}
	if got := git(t, r.Dir(), "show", "main:a.txt"); got != "second" {
		t.Errorf("a.txt holds %q", got)
	}
	if got := git(t, r.Dir(), "log", "--format=%s", "main"); got != "Write second\nWrite first\n" {
		t.Errorf("log %q", got)
	}
}

func TestMoveRefuses(t *testing.T) {
	r := repository(t)
	first := commit(t, r, "main", "", "first")
	if err := r.Move("main", strings.Repeat("0", 40), first); !errors.Is(err, ErrBranchMoved) {
		t.Errorf("from a wrong commit: %v", err)
	}
	lock := filepath.Join(r.Dir(), "refs", "heads", "main.lock")
	if err := os.WriteFile(lock, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Move("main", first, first); !errors.Is(err, ErrBranchMoved) {
		t.Errorf("over a lock: %v", err)
	}
	if err := os.Remove(lock); err != nil {
		t.Errorf("a lock of another was removed: %v", err)
	}
	if err := r.Move("main", first, ""); err != nil {
		t.Errorf("delete: %v", err)
	}
	if got := git(t, r.Dir(), "for-each-ref"); got != "" {
		t.Errorf("branches after the delete: %s", got)
	}
	if left, _ := filepath.Glob(filepath.Join(r.Dir(), "refs", "heads", "*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestOnlyOneOfManyMoves(t *testing.T) {
	r := repository(t)
	from := commit(t, r, "main", "", "first")
	to := make([]string, 8)
	for i := range to {
		to[i] = commit(t, r, "other-"+strings.Repeat("x", i), "", strings.Repeat("y", i))
	}
	var mu sync.Mutex
	var wait sync.WaitGroup
	moved := 0
	for _, hash := range to {
		wait.Go(func() {
			if err := r.Move("main", from, hash); err == nil {
				mu.Lock()
				moved++
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	if moved != 1 {
		t.Errorf("%d of the moves succeeded, want 1", moved)
	}
}

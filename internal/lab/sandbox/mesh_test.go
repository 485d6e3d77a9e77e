package sandbox

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// meshHome is a home with three nodes, ready to be checked where it lies.
func meshHome(t *testing.T) (*Home, Checking) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil && os.Getenv("CI") != "true" {
		t.Skip("git is missing; install it with: make deps")
	}
	dir := t.TempDir()
	what := Checking{Home: filepath.Join(dir, "home"), Database: Embedded}
	for _, n := range []string{"a", "b", "c"} {
		what.Nodes = append(what.Nodes, filepath.Join(dir, n))
	}
	h, err := CreateHome(t.Context(), what.Home, HomeOptions{Nodes: what.Nodes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	for _, d := range append([]string{what.Home}, what.Nodes...) {
		for _, name := range []string{".lock", "shared/.lock", "caches"} {
			if err := os.RemoveAll(filepath.Join(d, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return h, what
}

func checkMesh(t *testing.T, what Checking, good bool) {
	t.Helper()
	r, err := Check(t.Context(), what)
	if err != nil || (len(r.Failures) == 0) != good {
		t.Fatalf("%v, %v", r.Failures, err)
	}
}

// A node that was captured at another instant than the others is seen.
func TestCheckSeesSkewOfNodes(t *testing.T) {
	t.Parallel()
	h, what := meshHome(t)
	checkMesh(t, what, true)
	early := filepath.Join(t.TempDir(), "early")
	if err := os.CopyFS(early, os.DirFS(what.Nodes[1])); err != nil {
		t.Fatal(err)
	}
	if err := h.push(t.Context(), h.repositories[0], "main", []byte("later")); err != nil {
		t.Fatal(err)
	}
	checkMesh(t, what, true)
	skewed := what
	skewed.Nodes = []string{what.Nodes[0], early, what.Nodes[2]}
	checkMesh(t, skewed, false)
	skewed.Nodes = what.Nodes[:2] // one is missing: of three replicas there are two
	if r, err := Check(t.Context(), skewed); err != nil || r.Repositories != 4 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestReplicaFallsBehindAndIsRepaired(t *testing.T) {
	t.Parallel()
	h, what := meshHome(t)
	r := h.repositories[0]
	if err := h.FallBehind("b"); err != nil {
		t.Fatal(err)
	}
	if err := h.push(t.Context(), r, "main", []byte("a majority takes it")); err != nil {
		t.Fatal(err)
	}
	if got := h.Inconsistent(); len(got) != 1 || got[0].Node.Name != "b" || len(got[0].Replicas) != 1 {
		t.Errorf("%+v", got)
	}
	checkMesh(t, what, false)
	if err := h.FallBehind("c"); err != nil {
		t.Fatal(err)
	}
	before := r.tips["main"]
	if err := h.push(t.Context(), r, "main", []byte("a minority does not")); !errors.Is(err, errMinority) || r.tips["main"] != before {
		t.Errorf("%v", err)
	}
	if err := h.Repair(); err != nil {
		t.Fatal(err)
	}
	if got := h.Inconsistent(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	checkMesh(t, what, true)
	if err := h.push(t.Context(), r, "new", []byte("all take it again")); err != nil {
		t.Fatal(err)
	}
	checkMesh(t, what, true)
}

func TestTornDatabaseOfNodeIsSeen(t *testing.T) {
	t.Parallel()
	_, what := meshHome(t)
	path := filepath.Join(what.Nodes[0], filepath.FromSlash(nodeDatabase))
	if err := os.Truncate(path, 5); err != nil {
		t.Fatal(err)
	}
	checkMesh(t, what, false)
}

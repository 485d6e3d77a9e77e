package home

import (
	"os"
	"path/filepath"
	"testing"

	"bkp/internal/host"
	"bkp/providers"
)

func TestNodeName(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"mesh_node.mirror.a":                 "a",
		`mesh_node.mirror.nodes["mesh.1:a"]`: "mesh.1:a",
	} {
		if got := (&NodeConfig{}).NodeName(address); got != want {
			t.Errorf("%s: %q", address, got)
		}
	}
	if got := (&NodeConfig{Node: "7"}).NodeName("mesh_node.mirror.a"); got != "7" {
		t.Errorf("%q", got)
	}
}

// A Mesh node's database lies where a Data Center home's is left out.
func TestNodeIsKeptWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := Base{Config: NodeConfig{Path: dir, MaxMissing: 90}.Home(), Env: providers.Env{Host: &host.Host{}, WorkDir: filepath.Join(t.TempDir(), "work")}}
	hidden := b.Parts()[0].Rules.Hider()
	for name, want := range map[string]bool{
		"data/db.mv.db": false, "mesh.properties": false, "export/x": false, "search/data/x": false, "shared/.lock": false,
		"caches/x": true, "log/x": true, "tmp": true, ".lock": true,
	} {
		if got := hidden(name); got != want {
			t.Errorf("%s: left out: %t", name, got)
		}
	}
}

func TestNodeHasMarksAndRepositories(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := Base{Config: NodeConfig{Path: dir, MaxMissing: 90}.Home(), Env: providers.Env{Host: &host.Host{}, WorkDir: filepath.Join(t.TempDir(), "work")}}
	r, err := b.Check(t.Context())
	if err != nil || !r.Failed() || r.Findings[0].Summary != "not the home of a Mesh node" {
		t.Fatalf("an empty folder: %v, %v", r.Findings, err)
	}
	for _, id := range []string{"1", "12"} {
		if err := os.MkdirAll(filepath.Join(dir, "store", "p", "0027", "h", "00ff", "r", id), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	r, err = b.Check(t.Context())
	if err != nil || r.Failed() || r.Repositories == nil || *r.Repositories != 2 {
		t.Fatalf("%v, %v, %v", r.Findings, r.Repositories, err)
	}
	if p := b.Paths(); p.Home != "" || len(p.Live) != 1 {
		t.Errorf("a node counts as the home of the instance: %+v", p)
	}
	to, err := b.RestorerOf("", nil)
	if err != nil {
		t.Fatal(err)
	}
	set, err := to.Repositories(t.Context(), providers.Artifact{Facts: map[string]string{"path": dir}})
	if err != nil || len(set.Found) != 2 || set.Found[0].Group != "0027" {
		t.Errorf("%+v, %v", set, err)
	}
}

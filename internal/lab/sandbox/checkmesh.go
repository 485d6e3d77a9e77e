package sandbox

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

// restoredNode is the home of a Mesh node that is checked.
type restoredNode struct {
	dir string
	// written is what the node's own database says: see writtenOn.
	written map[string]string
}

// nodes reads the databases of the nodes, and looks for what must be there and must
// not.
func (c *checker) nodes(dirs []string) []restoredNode {
	var out []restoredNode
	for _, dir := range dirs {
		for name, want := range map[string]bool{".lock": false, "caches": false, "mesh.properties": true, "data/db.trace/x.part": true} {
			if _, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(name))); (err == nil) != want {
				c.failf("Mesh node %s: %s: there: %t, wanted: %t", dir, name, err == nil, want)
			}
		}
		written, err := writtenOn(dir)
		if err != nil {
			c.failf("Mesh node %s: its database cannot be read: %v", dir, err)
		}
		out = append(out, restoredNode{dir, written})
	}
	return out
}

// replicas checks each replica of a repository against the rows: so they are the same.
func (c *checker) replicas(ctx context.Context, group *errgroup.Group, nodes []restoredNode, id int, pushes []Push) {
	have := 0
	for _, n := range nodes {
		dir := replicaDir(n.dir, id)
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		have++
		c.writtenDown(n, id, pushes)
		group.Go(func() error { return c.repository(ctx, id, dir, pushes) })
	}
	if want := min(replicationFactor, len(nodes)); have != want {
		c.failf("repository %d has %d replicas, and should have %d", id, have, want)
	}
}

// writtenDown compares what a node's database says with the rows.
func (c *checker) writtenDown(n restoredNode, id int, pushes []Push) {
	newest := map[string]string{}
	for _, p := range pushes {
		newest[p.Branch] = p.Commit
	}
	for branch, commit := range newest {
		if got := n.written[fmt.Sprintf("%d %s", id, branch)]; got != commit {
			c.failf("repository %d: the database of Mesh node %s has %s at %q, its newest row says %s", id, n.dir, branch, got, commit)
		}
	}
}

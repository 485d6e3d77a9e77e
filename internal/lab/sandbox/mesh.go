package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"bkp/internal/lab/sandbox/bare"
	"bkp/internal/problem"
)

const (
	// replicationFactor is how many nodes have a repository, if there are so many.
	replicationFactor = 3
	// partitions is how many there are; a repository belongs to one, and a partition to
	// some nodes.
	partitions = 4
	// nodeDatabase stands for the database that a node has in its home: a line for
	// each write. Its name is one that a backup leaves out of a Data Center home.
	nodeDatabase = "data/db.mv.db"
)

// node is a Mesh node: a home of its own, with replicas of repositories.
type node struct {
	id   int
	name string
	dir  string

	mu     sync.Mutex
	behind bool // it takes no writes, and does not say so
}

// replica is a repository on a node, or the only one there is, in the home.
type replica struct {
	node *node // nil: in the home
	git  *bare.Repository
	// stale: it lacks a write that the others have. Guarded by the repository.
	stale bool
}

// nodeName is how the nodes are called: a, b, c.
func nodeName(i int) string { return string(rune('a' + i)) }

// createNodes makes the homes of Mesh nodes.
func createNodes(dirs []string) ([]*node, error) {
	var out []*node
	for i, dir := range dirs {
		if err := refuseUsed(dir); err != nil {
			return nil, err
		}
		n := &node{id: i + 1, name: nodeName(i), dir: dir}
		for name, content := range map[string]string{
			"mesh.properties":      "grpc.server.address=127.0.0.1\nnode.name=" + n.name + "\n",
			"config/signing.key":   "not a key of " + n.name + "\n",
			nodeDatabase:           "",
			"store/.format":        "1\n",
			".lock":                "sandbox\n", // these are left out of a backup
			"caches/refs.cache":    picture(1024),
			"log/atlassian.log":    "INFO the node has started\n",
			"tmp/pack.part":        "half of a pa",
			"data/db.trace/x.part": "kept: only a Data Center home has names to leave out here\n",
		} {
			path := filepath.Join(dir, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
				return nil, err
			}
			if err := put(path, []byte(content)); err != nil {
				return nil, err
			}
		}
		out = append(out, n)
	}
	return out, nil
}

// partitionOf is the partition of a repository.
func partitionOf(id int) int { return id%partitions + 1 }

// replicaDir is where a repository lies in the home of a node.
func replicaDir(home string, id int) string {
	return filepath.Join(home, "store", "p", fmt.Sprintf("%04d", partitionOf(id)), "h", fmt.Sprintf("%020x", id), "r", strconv.Itoa(id))
}

// holders are the nodes that a repository has replicas on.
func holders(nodes []*node, id int) []*node {
	var out []*node
	for i := range min(replicationFactor, len(nodes)) {
		out = append(out, nodes[(partitionOf(id)+i)%len(nodes)])
	}
	return out
}

// placesOf are where the replicas of a repository lie.
func (h *Home) placesOf(id int) []replica {
	if len(h.nodes) == 0 {
		return []replica{{}}
	}
	var out []replica
	for _, n := range holders(h.nodes, id) {
		out = append(out, replica{node: n})
	}
	return out
}

// errMinority is a write that too few replicas took.
var errMinority = errors.New("a majority of the replicas did not take the write")

// takes reports whether the replica takes a write now. One that is behind does not
// until it is repaired.
func (p *replica) takes() bool {
	if p.node == nil {
		return true
	}
	p.node.mu.Lock()
	defer p.node.mu.Unlock()
	p.stale = p.stale || p.node.behind
	return !p.stale
}

// note writes a write down in the node's own database.
func (p *replica) note(id int, branch, commit string) error {
	if p.node == nil {
		return nil
	}
	p.node.mu.Lock()
	defer p.node.mu.Unlock()
	f, err := os.OpenFile(filepath.Join(p.node.dir, filepath.FromSlash(nodeDatabase)), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%d %s %s\n", id, branch, commit)
	return errors.Join(err, f.Close())
}

// write makes the same commit in every replica that takes writes, and moves the
// branch in all of them. Without a majority all is as it was.
func (r *repository) write(branch string, content []byte, now time.Time) (commit string, undo func() error, err error) {
	from := r.tips[branch]
	var wrote []*replica
	undo = func() error {
		var all error
		for _, p := range wrote {
			all = errors.Join(all, p.git.Move(branch, commit, from), p.note(r.id, branch, from))
		}
		return all
	}
	for i := range r.replicas {
		p := &r.replicas[i]
		if !p.takes() {
			continue
		}
		if commit, err = pushTo(p.git, branch, from, content, now); err != nil {
			return "", nil, errors.Join(err, undo())
		}
		wrote = append(wrote, p)
		if err := p.note(r.id, branch, commit); err != nil {
			return "", nil, errors.Join(err, undo())
		}
	}
	if 2*len(wrote) <= len(r.replicas) {
		return "", nil, errors.Join(errMinority, undo())
	}
	return commit, undo, nil
}

func pushTo(git *bare.Repository, branch, from string, content []byte, now time.Time) (string, error) {
	blob, err := git.Blob(content, true)
	if err != nil {
		return "", err
	}
	tree, err := git.Tree([]bare.File{{Name: "pushed", Hash: blob}})
	if err != nil {
		return "", err
	}
	commit, err := git.Commit(tree, from, "Push", now)
	if err != nil {
		return "", err
	}
	return commit, git.Move(branch, from, commit)
}

// FallBehind makes a Mesh node take no writes from now on, which the others do.
func (h *Home) FallBehind(name string) error {
	for _, n := range h.nodes {
		if n.name == name || strconv.Itoa(n.id) == name {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.behind = true
			return nil
		}
	}
	return problem.New("no such Mesh node", name, "they are called a, b, c")
}

// Repair lets all nodes take writes again, and makes every replica that is behind
// what the others are.
func (h *Home) Repair() error {
	for _, n := range h.nodes {
		n.mu.Lock()
		n.behind = false
		n.mu.Unlock()
	}
	for _, r := range h.repositories {
		if err := r.repair(); err != nil {
			return fmt.Errorf("repository %d: %w", r.id, err)
		}
	}
	return nil
}

func (r *repository) repair() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var good *replica
	for i := range r.replicas {
		if !r.replicas[i].stale {
			good = &r.replicas[i]
		}
	}
	for i := range r.replicas {
		p := &r.replicas[i]
		if !p.stale || good == nil {
			continue
		}
		if err := copyOver(good.git.Dir(), p.git.Dir()); err != nil {
			return err
		}
		for branch, commit := range r.tips {
			if err := p.note(r.id, branch, commit); err != nil {
				return err
			}
		}
		p.stale = false
	}
	return nil
}

// copyOver makes a repository what another is, objects before branches.
func copyOver(from, to string) error {
	for _, part := range []string{"objects", "refs"} {
		err := filepath.WalkDir(filepath.Join(from, part), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, err := filepath.Rel(from, path)
			if err != nil {
				return err
			}
			return copyFile(path, filepath.Join(to, rel))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to+".new", text, 0o640); err != nil {
		return err
	}
	return os.Rename(to+".new", to)
}

// MeshNodes are the nodes as the interface shows them.
func (h *Home) MeshNodes() []MeshNode {
	var out []MeshNode
	for _, n := range h.nodes {
		out = append(out, MeshNode{ID: n.id, Name: n.name, RPCURL: "http://" + n.name + ".example.com:7777", LastSeenDate: time.Now().UnixMilli(), State: "AVAILABLE"})
	}
	return out
}

// NodeReplicas are the replicas on a node that lack what others have.
type NodeReplicas struct {
	Node     MeshNode  `json:"node"`
	Replicas []Replica `json:"inconsistentReplicas"`
}

// Inconsistent lists, for each node, the replicas that are behind; nodes without are
// left out.
func (h *Home) Inconsistent() []NodeReplicas {
	out := []NodeReplicas{}
	for i, shown := range h.MeshNodes() {
		of := NodeReplicas{Node: shown}
		for _, r := range h.repositories {
			r.mu.Lock()
			for _, p := range r.replicas {
				if p.stale && p.node == h.nodes[i] {
					of.Replicas = append(of.Replicas, Replica{RepositoryID: r.id, PartitionID: partitionOf(r.id)})
				}
			}
			r.mu.Unlock()
		}
		if len(of.Replicas) > 0 {
			out = append(out, of)
		}
	}
	return out
}

// writtenOn is what a node's database says last of each branch, by repository and
// branch.
func writtenOn(home string) (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join(home, filepath.FromSlash(nodeDatabase)))
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || !strings.HasSuffix(line, "\n") {
			if len(fields) == 2 { // a branch that was taken back
				delete(out, fields[0]+" "+fields[1])
				continue
			}
			return nil, fmt.Errorf("the line %q is torn", line)
		}
		out[fields[0]+" "+fields[1]] = fields[2]
	}
	return out, nil
}

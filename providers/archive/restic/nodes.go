package restic

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"bkp/internal/filemeta"
	"bkp/internal/problem"
)

// node is an entry as restic stored it.
type node struct {
	Kind  string      `json:"struct_type"` // node, or snapshot
	Tree  string      `json:"tree"`        // of a snapshot
	Path  string      `json:"path"`
	Type  string      `json:"type"`
	Size  int64       `json:"size"`
	Mode  fs.FileMode `json:"mode"`
	UID   uint32      `json:"uid"`
	GID   uint32      `json:"gid"`
	MTime time.Time   `json:"mtime"`
}

// nodes are the entries of a snapshot, in their order, until one differs.
type nodes struct {
	from *io.PipeReader
	scan *bufio.Scanner
	// tree is the digest of the snapshot, which comes before its entries.
	tree string
	// differs is the first difference, nil if nothing differs.
	differs error
}

func newNodes(r *io.PipeReader) *nodes {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	return &nodes{from: r, scan: s}
}

// next is the next entry; false at the end.
func (n *nodes) next() (node, bool) {
	for n.scan.Scan() {
		var x node
		if err := json.Unmarshal(n.scan.Bytes(), &x); err != nil {
			n.differs = fmt.Errorf("restic ls printed %q: %w", shortened(n.scan.Text()), err)
			return x, false
		}
		if x.Kind == "node" {
			return x, true
		}
		if x.Kind == "snapshot" {
			n.tree = x.Tree
		}
	}
	return node{}, false
}

// kept are the bits of a mode that restic stores.
const kept = fs.ModePerm | fs.ModeType | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// compare expects the next entry to be name.
func (n *nodes) compare(name string, m filemeta.Meta) {
	if n.differs != nil {
		return
	}
	x, ok := n.next()
	how := ""
	switch {
	case n.differs != nil:
		return
	case !ok:
		how = "was not stored"
	case x.Path != "/"+inJSON(name):
		how = fmt.Sprintf("stands where restic stored %q", x.Path)
	case m.Mode.IsRegular() && x.Size != m.Size:
		how = fmt.Sprintf("has %d bytes, and restic stored %d", m.Size, x.Size)
	case !x.MTime.Equal(m.ModTime):
		how = "was written to after restic read it"
	case m.HasOwner && (x.Mode&kept != m.Mode&kept || x.UID != m.UID || x.GID != m.GID):
		how = "has another owner or mode than restic stored"
	}
	if how != "" {
		n.differs = problem.New(treeChanged, fmt.Sprintf("%q %s", name, how), treeRemedy)
	}
}

// end expects nothing more to be stored, and takes the rest of the output. whole is
// set if all of the tree was compared.
func (n *nodes) end(whole bool) error {
	if n.differs == nil && whole {
		if x, more := n.next(); more {
			n.differs = problem.New(treeChanged, fmt.Sprintf("restic stored %q, which is not there", x.Path), treeRemedy)
		}
	}
	err := n.scan.Err()
	_, _ = io.Copy(io.Discard, n.from)
	return errors.Join(n.differs, err)
}

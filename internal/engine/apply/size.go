package apply

import (
	"errors"
	"io/fs"
	"path/filepath"

	"bkp/internal/engine/plan"
	"bkp/providers"
)

// mostWalked is how many entries of a tree are counted before it is stored. A dump has
// fewer; counting a home would read all of it once more.
const mostWalked = 5000

// toStore is how much an archive has to read, for who watches; nothing if it is not
// known of all parts.
func (r *Run) toStore(m providers.Manifest) plan.Size {
	var total plan.Size
	for _, a := range m.Artifacts {
		if len(a.Trees) == 0 {
			continue
		}
		size, known := r.sizeOf(a)
		if !known {
			return plan.Size{}
		}
		total.Files += size.Files
		total.Bytes += size.Bytes
	}
	return total
}

// sizeOf is what the live pass counted, else what the plan expected, else what lies
// there, if that is not much.
func (r *Run) sizeOf(a providers.Artifact) (plan.Size, bool) {
	if r.Counted != nil {
		if size, known := r.Counted(a.Address); known {
			return size, true
		}
	}
	for _, n := range r.Plan.Before {
		if n.Address == a.Address && n.Size != nil {
			return *n.Size, true
		}
	}
	var total plan.Size
	for _, t := range a.Trees {
		size, known := walked(t)
		if !known {
			return plan.Size{}, false
		}
		total.Files += size.Files
		total.Bytes += size.Bytes
	}
	return total, true
}

var errTooMany = errors.New("too many entries")

// walked counts a tree of this machine that has few entries.
func walked(t providers.Tree) (size plan.Size, known bool) {
	if t.Host != "" || len(t.LeaveOut) > 0 {
		return size, false
	}
	err := filepath.WalkDir(t.Path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if size.Files++; size.Files > mostWalked {
			return errTooMany
		}
		info, err := d.Info()
		if err == nil && info.Mode().IsRegular() {
			size.Bytes += info.Size()
		}
		return err
	})
	return size, err == nil
}

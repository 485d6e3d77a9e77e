package home

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home/internal/treesync"
)

// made is what becomes the part in its place: what was unpacked for that, or a copy
// beside it, which clean removes.
func (b *restorer) made(ctx context.Context, a providers.Artifact, m move, of source, s *spot, clean *stack) (part, error) {
	from := of.part
	if !of.unpacked {
		from = part{s.parent, copyName(s.name)}
		*clean = append(*clean, func() { _ = from.in.RemoveAll(from.name) })
		if err := b.stageCopy(ctx, of, m.only, from); err != nil {
			return from, err
		}
	}
	if len(a.Only) > 0 {
		if err := holds(a, m, from); err != nil {
			return from, err
		}
		b.warnBorrowed(ctx, a, m, from)
		return from, nil
	}
	if a.Live && m.name == "home" {
		return from, askForChecks(from)
	}
	return from, nil
}

// source is where a part is restored from.
type source struct {
	part
	path     string
	leaveOut providers.Rules
	// unpacked is set if it was unpacked for this restore, so that it may be taken
	// apart.
	unpacked bool
}

// openSources opens what a holds of each move. What is to be closed is added to
// clean.
func (b *restorer) openSources(ctx context.Context, a providers.Artifact, moves []move, clean *stack) ([]source, error) {
	if a.Dir() == "" && b.open != nil {
		return b.openTrees(ctx, a, moves, clean)
	}
	tree, err := openTree(a.Dir())
	if err != nil {
		return nil, err
	}
	*clean = append(*clean, func() { _ = tree.Close() })
	var out []source
	for _, m := range moves {
		out = append(out, source{part: part{tree, m.name}, path: filepath.Join(a.Dir(), m.name), unpacked: b.staged(a.Dir())})
	}
	return out, nil
}

// openTrees opens what the strategy itself keeps.
func (b *restorer) openTrees(ctx context.Context, a providers.Artifact, moves []move, clean *stack) ([]source, error) {
	trees, done, err := b.open(ctx, a)
	if err != nil {
		return nil, err
	}
	*clean = append(*clean, func() {
		if err := done(); err != nil {
			b.Env.Warning("what was restored from is still open, which the next run ends: " + err.Error())
		}
	})
	var out []source
	for _, m := range moves {
		i := slices.IndexFunc(trees, func(t providers.Tree) bool { return t.Place == m.name })
		if i < 0 {
			return nil, problem.New("backup holds no "+m.name, a.Address, "verify the backup")
		}
		root, err := openTree(trees[i].Path)
		if err != nil {
			return nil, err
		}
		*clean = append(*clean, func() { _ = root.Close() })
		out = append(out, source{part: part{root, "."}, path: trees[i].Path, leaveOut: trees[i].LeaveOut})
	}
	return out, nil
}

// ownerOf is who gets a part: what is not Bitbucket's stays whose it was.
func ownerOf(m move, o owner) owner {
	if strings.HasPrefix(m.name, "also/") {
		return owner{others: true}
	}
	return o
}

// ready makes a part what it is to be in its place, and safe on disk: what is
// renamed over a target must not be there by its name alone after a power cut.
func ready(ctx context.Context, p part, o owner) error {
	root, err := p.in.OpenRoot(p.name)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if !o.others {
		if _, err := removeStaleLocks(ctx, root); err != nil {
			return problem.Wrap(err, "stale lock files cannot be removed", "")
		}
	}
	if err := o.give(ctx, root); err != nil {
		return problem.Wrap(err, "owner cannot be set", "run the restore as root, or leave owner out")
	}
	return reachDisk(root)
}

// stack is what is to be done in the end, the last first.
type stack []func()

func (s stack) run() {
	for _, f := range slices.Backward(s) {
		f()
	}
}

// stageCopy copies what is wanted of a tree that must stay, beside the target.
func (b *Base) stageCopy(ctx context.Context, from source, only providers.Selection, to part) error {
	if err := to.in.RemoveAll(to.name); err != nil {
		return err
	}
	return b.copyTree(ctx, from.path, either(from.leaveOut.Matcher(), only.Matcher()), to)
}

// either leaves out what one of two matchers does.
func either(x, y treesync.Exclude) treesync.Exclude {
	return func(rel string) func(string, bool) bool {
		inX, inY := x(rel), y(rel)
		switch {
		case inX == nil:
			return inY
		case inY == nil:
			return inX
		}
		return func(name string, dir bool) bool { return inX(name, dir) || inY(name, dir) }
	}
}

func (b *Base) copyTree(ctx context.Context, from string, leaveOut treesync.Exclude, to part) error {
	in, err := to.in.Open(".")
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	res, err := treesync.Sync(ctx, treesync.Options{
		Source: from, Copy: to.name, In: in, Exclude: leaveOut, Workers: b.workers(), Strict: true, Spare: ownFolders,
		Progress: func(files, bytes int64) { b.Env.Report(providers.Progress{Files: files, Bytes: bytes}) },
	})
	b.Lost(res.Lost)
	return err
}

// place renames a part to its spot, or copies it there.
func (b *Base) place(ctx context.Context, from part, s *spot) error {
	if s.exists {
		// A mount point cannot be removed, and is copied to.
		_ = s.parent.Remove(s.name)
	}
	err := from.rename(part{s.parent, s.name})
	if errors.Is(err, syscall.EXDEV) || errors.Is(err, syscall.EBUSY) {
		err = b.copyTree(ctx, filepath.Join(from.in.Name(), from.name), nil, part{s.parent, s.name})
	} else if err != nil {
		err = problem.Wrap(err, "home cannot be put into its place", "check the owner of the folder above the target")
	}
	if err != nil {
		return err
	}
	return s.reachDisk()
}

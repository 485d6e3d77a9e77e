package home

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"bkp/internal/filemeta"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home/internal/treesync"
)

// To returns a Base that restores to target. It is what a strategy needs for
// providers.Retargeter.
func (b *Base) To(target string) (Base, error) {
	abs, err := filepath.Abs(target)
	if err != nil {
		return Base{}, err
	}
	out := *b
	out.restoreTo = abs
	return out, nil
}

// move is one part of an artifact and where it goes.
type move struct{ name, target string }

// moves returns the parts of a and their targets, the home last: once it is
// there, the restore looks done.
func (b *Base) moves(a providers.Artifact) ([]move, error) {
	stores := 0
	for a.Facts[storeFact(stores)] != "" {
		stores++
	}
	if b.restoreTo == "" && stores != len(b.Config.DataStores) {
		return nil, problem.New("data stores differ", fmt.Sprintf("the backup holds %d, the configuration names %d", stores, len(b.Config.DataStores)),
			"name as many data_stores as the backup holds, or restore elsewhere with --home")
	}
	var out []move
	for i := range stores {
		target := b.restoreTo + ".stores" + string(filepath.Separator) + fmt.Sprint(i)
		if b.restoreTo == "" {
			target = b.Config.DataStores[i]
		}
		out = append(out, move{storeName(i), resolved(target)})
	}
	return append(out, move{"home", resolved(b.Root())}), nil
}

// stagePrefix begins the names of folders beside a target that hold what is
// not yet in place.
const stagePrefix = ".bkp-restore-"

// StageDir implements providers.Stager.
func (b *Base) StageDir(id providers.BackupID) string {
	target := resolved(b.Root())
	return filepath.Join(filepath.Dir(target), stagePrefix+filepath.Base(target)+"-"+string(id))
}

// staged tells whether a tree was unpacked for this restore, so that it may be
// taken apart; otherwise it is someone's copy.
func (b *Base) staged(tree string) bool {
	target := resolved(b.Root())
	return resolved(filepath.Dir(tree)) == filepath.Dir(target) &&
		strings.HasPrefix(filepath.Base(tree), stagePrefix+filepath.Base(target)+"-")
}

// CheckRestore implements providers.RestoreChecker.
func (b *Base) CheckRestore(_ context.Context, a providers.Artifact) (providers.Report, error) {
	r := providers.Report{Facts: map[string]string{}, Does: map[providers.Verb]string{}}
	moves, err := b.moves(a)
	if err != nil {
		r.Add(asProblem(err))
		return r, nil
	}
	var places []string
	for _, m := range moves {
		what := "the home"
		if m.name != "home" {
			what = "data store " + strings.TrimPrefix(m.name, "stores/")
		}
		places = append([]string{what + " to " + m.target}, places...)
		if _, err := isEmptyOrAbsent(m.target); err != nil {
			r.Add(asProblem(err))
		}
		r.Facts[m.name] = m.target
	}
	if _, err := lookupOwner(b.Config.Owner); err != nil {
		r.Add(asProblem(err))
	} else if b.Config.Owner != "" && os.Geteuid() > 0 {
		r.Add(problem.Warn("owner cannot be set", "bkp does not run as root", "run the restore as root, or leave owner out"))
	}
	r.Space = append(r.Space, providers.SpaceNeed{Path: filepath.Dir(resolved(b.Root())), Bytes: a.Bytes, For: "restored " + a.Address})
	does := "restore " + strings.Join(places, ", ") + "; remove stale git lock files"
	if b.Config.Owner != "" {
		does += "; give everything to " + b.Config.Owner
	}
	if b.restoreTo != "" && len(moves) > 1 {
		does += "; Bitbucket looks for data stores where they were: " + a.Facts[storeFact(0)]
	}
	r.Does[providers.Restore] = does
	return r, nil
}

func asProblem(err error) *problem.Problem {
	var p *problem.Problem
	if errors.As(err, &p) {
		return p
	}
	return problem.Wrap(err, "restore is not possible", "")
}

// Restore brings the parts of a.Tree to their targets, which must be absent or
// empty. Everything is made ready beside the target and renamed into place; a
// target on a file system of its own is copied to. When it fails, the targets
// are as they were.
func (b *Base) Restore(ctx context.Context, a providers.Artifact) (err error) {
	moves, err := b.moves(a)
	if err != nil {
		return err
	}
	owner, err := lookupOwner(b.Config.Owner)
	if err != nil {
		return err
	}
	for _, m := range moves {
		if _, err := isEmptyOrAbsent(m.target); err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(a.Tree, m.name)); err != nil {
			return problem.Wrap(err, "backup holds no "+m.name, "verify the backup")
		}
	}
	var undo, clean stack
	defer func() {
		if err != nil {
			undo.run()
		}
		// Only then are the folders empty that were made for the stage.
		clean.run()
	}()
	for _, m := range moves {
		from := filepath.Join(a.Tree, m.name)
		if !b.staged(a.Tree) {
			var remove func()
			if from, remove, err = b.stageCopy(ctx, from, m.target); err != nil {
				return err
			}
			clean = append(clean, remove)
		}
		if _, err := RemoveStaleLocks(ctx, from); err != nil {
			return problem.Wrap(err, "stale lock files cannot be removed", "")
		}
		if err := owner.give(ctx, from); err != nil {
			return problem.Wrap(err, "owner cannot be set", "run the restore as root, or leave owner out")
		}
		back, err := b.place(ctx, from, m.target)
		undo = append(undo, back)
		if err != nil {
			return err
		}
	}
	return nil
}

// stack is what is to be done in the end, the last first.
type stack []func()

func (s stack) run() {
	for _, f := range slices.Backward(s) {
		f()
	}
}

// stageCopy copies a tree that must stay, beside the target.
func (b *Base) stageCopy(ctx context.Context, from, target string) (string, func(), error) {
	made, err := makeParents(target)
	if err != nil {
		return "", nil, err
	}
	to := filepath.Join(filepath.Dir(target), stagePrefix+filepath.Base(target)+"-copy")
	clean := func() {
		_ = os.RemoveAll(to)
		removeEmpty(made)
	}
	if err := os.RemoveAll(to); err != nil {
		clean()
		return "", nil, err
	}
	if err := b.copyTree(ctx, from, to); err != nil {
		clean()
		return "", nil, err
	}
	return to, clean, nil
}

func (b *Base) copyTree(ctx context.Context, from, to string) error {
	res, err := treesync.Sync(ctx, treesync.Options{
		Source: from, Copy: to, Workers: b.workers(), Strict: true,
		Progress: func(files, bytes int64) { b.Env.Report(providers.Progress{Files: files, Bytes: bytes}) },
	})
	b.Lost(res.Lost)
	return err
}

// place renames from to target, or copies it there. The function that it
// returns, never nil, makes the target what it was.
func (b *Base) place(ctx context.Context, from, target string) (func(), error) {
	exists, err := isEmptyOrAbsent(target)
	if err != nil {
		return func() {}, err
	}
	made, err := makeParents(target)
	if err != nil {
		return func() { removeEmpty(made) }, err
	}
	before, err := readTarget(target, exists)
	if err != nil {
		return func() { removeEmpty(made) }, err
	}
	back := func() {
		if !exists {
			_ = os.RemoveAll(target)
			removeEmpty(made)
			return
		}
		// A mount point stays, whatever else; a folder may be gone or replaced.
		_ = os.Mkdir(target, 0o700)
		emptyFolder(target)
		_ = giveBack(target, before)
	}
	if exists {
		// os.Rename refuses a folder in its way. A mount point cannot be removed,
		// and is copied to.
		_ = os.Remove(target)
	}
	err = os.Rename(from, target)
	if err == nil {
		return back, nil
	}
	if !errors.Is(err, syscall.EXDEV) && !errors.Is(err, syscall.EBUSY) && !errors.Is(err, fs.ErrExist) {
		return back, problem.Wrap(err, "home cannot be put into its place", "check the owner of the folder above the target")
	}
	return back, b.copyTree(ctx, from, target)
}

// readTarget reads what an empty target carries, which a restore replaces.
func readTarget(target string, exists bool) (filemeta.Meta, error) {
	if !exists {
		return filemeta.Meta{}, nil
	}
	m, err := filemeta.Read(target)
	if err != nil {
		return m, problem.Wrap(err, "target cannot be read", "choose another folder, or run as a user who may read it")
	}
	return m, nil
}

// giveBack gives an emptied target what it carried.
func giveBack(target string, m filemeta.Meta) error {
	dir, err := os.Open(filepath.Dir(target))
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	_, err = filemeta.ApplyAt(dir, filepath.Base(target), m)
	return err
}

// emptyFolder removes the content of a folder.
func emptyFolder(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		_ = os.RemoveAll(filepath.Join(dir, e.Name()))
	}
}

// makeParents creates the folders above target and returns those that it made,
// the deepest first.
func makeParents(target string) ([]string, error) {
	var missing []string
	for dir := filepath.Dir(target); ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); err == nil || dir == filepath.Dir(dir) {
			break
		}
		missing = append(missing, dir)
	}
	err := os.MkdirAll(filepath.Dir(target), 0o755)
	if err != nil {
		removeEmpty(missing)
		return nil, problem.Wrap(err, "folder above the target cannot be created", "create it, or choose another target")
	}
	return missing, nil
}

func removeEmpty(dirs []string) {
	for _, d := range dirs {
		_ = os.Remove(d)
	}
}

package home

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

// Restorer implements providers.Strategy. target is a folder.
func (b *Base) Restorer(target string) (providers.Restorer, error) {
	return b.RestorerOf(target, nil)
}

// Restorer is the way back of a home.
type Restorer interface {
	providers.Restorer
	providers.RepositoryHolder
	providers.Selector
}

// OpenTrees makes trees readable that no archive unpacked, such as those of a
// snapshot: one for each part of the home, by its name. The caller calls done, which ends that.
type OpenTrees func(ctx context.Context, a providers.Artifact) (trees []providers.Tree, done func() error, err error)

// RestorerOf is Restorer for a strategy that keeps artifacts itself: open is
// called for those that are not one folder of this machine.
func (b *Base) RestorerOf(target string, open OpenTrees) (Restorer, error) {
	if target == "" {
		return &restorer{Base: b, open: open}, nil
	}
	abs, err := filepath.Abs(target)
	if err != nil {
		return nil, err
	}
	return &restorer{Base: b, to: abs, open: open}, nil
}

// restorer restores a home from trees.
type restorer struct {
	*Base
	// to, if not "", is where the home goes instead of its path.
	to   string
	open OpenTrees
}

// root is where the home goes.
func (r *restorer) root() string {
	if r.to != "" {
		return r.to
	}
	return r.Config.Path
}

// move is one part of an artifact and where it goes.
type move struct {
	name, target string
	// only is what is wanted of the part.
	only providers.Selection
}

// Stores is how many data stores an artifact holds.
func Stores(a providers.Artifact) int {
	n := 0
	for a.Facts[storeFact(n)] != "" {
		n++
	}
	return n
}

// moves returns the parts of a that hold something wanted, and their targets, the home
// last: once it is there, the restore looks done.
func (b *restorer) moves(a providers.Artifact) ([]move, error) {
	all, err := b.allMoves(a)
	if err != nil || len(a.Only) == 0 {
		return all, err
	}
	var out []move
	for _, m := range all {
		if only, some := a.Only.In(m.name); some {
			m.only = only
			out = append(out, m)
		}
	}
	return out, nil
}

func (b *restorer) allMoves(a providers.Artifact) ([]move, error) {
	stores := Stores(a)
	if b.to == "" && stores != len(b.Config.DataStores) {
		return nil, problem.New("data stores differ", fmt.Sprintf("the backup holds %d, the configuration names %d", stores, len(b.Config.DataStores)),
			"name as many data_stores as the backup holds, or restore elsewhere with --home")
	}
	also, err := b.alsoMoves(a)
	if err != nil {
		return nil, err
	}
	out := also
	for i := range stores {
		target := b.to + ".stores" + string(filepath.Separator) + fmt.Sprint(i)
		if b.to == "" {
			target = b.Config.DataStores[i]
		}
		out = append(out, move{name: storeName(i), target: host.Resolve(target)})
	}
	return append(out, move{name: "home", target: host.Resolve(b.root())}), nil
}

// alsoMoves returns the folders of a that are no part of the home.
func (b *restorer) alsoMoves(a providers.Artifact) ([]move, error) {
	var out []move
	for i := 0; a.Facts[alsoFact(i)] != ""; i++ {
		target := providers.FolderAt(b.to, i)
		if b.to == "" {
			if i >= len(b.Also) {
				return nil, problem.New("folders of the database differ", a.Facts[alsoFact(i)]+" is in the backup, and the configuration does not name it",
					"declare the database as it was when the backup was made, or restore elsewhere with --home")
			}
			target = b.Also[i].Source
		}
		out = append(out, move{name: alsoName(i), target: host.Resolve(target)})
	}
	return out, nil
}

// Stage implements providers.Restorer.
func (b *restorer) Stage(id providers.BackupID) string {
	target := host.Resolve(b.root())
	return filepath.Join(filepath.Dir(target), providers.RestorePrefix+filepath.Base(target)+"-"+string(id))
}

// Leavings implements providers.Restorer.
func (b *restorer) Leavings(a providers.Artifact) []string {
	moves, err := b.moves(a)
	if err != nil {
		return nil // then nothing is restored
	}
	var out []string
	for _, m := range moves {
		out = append(out, filepath.Join(filepath.Dir(m.target), copyName(filepath.Base(m.target))))
	}
	return out
}

// copyName is that of a copy which becomes the target of a name.
func copyName(target string) string { return providers.RestorePrefix + target + "-copy" }

// staged reports whether a tree was unpacked for this restore, so that it may be
// taken apart; otherwise it is someone's copy.
func (b *restorer) staged(tree string) bool {
	target := host.Resolve(b.root())
	return host.Resolve(filepath.Dir(tree)) == filepath.Dir(target) &&
		strings.HasPrefix(filepath.Base(tree), providers.RestorePrefix+filepath.Base(target)+"-")
}

// Check implements providers.Restorer.
func (b *restorer) Check(_ context.Context, a providers.Artifact) (providers.Report, error) {
	r := providers.Report{Facts: map[string]string{}, Does: map[providers.Verb]string{}}
	moves, err := b.moves(a)
	if err != nil {
		r.Add(asProblem(err))
		return r, nil
	}
	var places []string
	for _, m := range moves {
		what := "the " + kind(m.name)
		if number, ok := strings.CutPrefix(m.name, "stores/"); ok {
			what = "data store " + number
		}
		places = append([]string{what + " to " + m.target}, places...)
		if err := isEmptyOrAbsent(m.target); err != nil {
			r.Add(asProblem(err))
		}
		r.Facts[m.name] = m.target
	}
	if _, err := lookupOwner(b.Config.Owner); err != nil {
		r.Add(asProblem(err))
	} else if b.Config.Owner != "" && os.Geteuid() > 0 {
		r.Add(problem.Warn("owner cannot be set", "bkp does not run as root", "run the restore as root, or leave owner out"))
	}
	if target := moves[len(moves)-1].target; len(moves) == 1 && len(a.Only) == 0 && b.elsewhere(target) {
		r.Space = append(r.Space, providers.SpaceNeed{Path: target, Times: 1, For: "the home in its place"})
	}
	what := ""
	if len(a.Only) > 0 {
		what = strings.Join(shownPaths(a.Only), ", ") + " of "
	}
	does := "restore " + what + strings.Join(places, ", ") + "; remove stale git lock files"
	if b.Config.Owner != "" {
		does += "; give everything to " + b.Config.Owner
	}
	if b.to != "" && Stores(a) > 0 && len(a.Only) == 0 {
		does += "; Bitbucket looks for data stores where they were: " + a.Facts[storeFact(0)]
	}
	if a.Live && len(a.Only) == 0 {
		does += "; set " + integrityChecks + "=true in " + propertiesFile
		r.Add(checksAhead(moves[len(moves)-1].target))
	}
	r.Does[providers.Restore] = does
	return r, nil
}

// elsewhere reports whether a target lies on another file system than the folder
// above it, in which its content is staged. What is restored is there twice
// then, for a while.
func (b *Base) elsewhere(target string) bool {
	at, err := b.Env.Host.Space(target)
	above, errAbove := b.Env.Host.Space(filepath.Dir(target))
	return err == nil && errAbove == nil && at.Filesystem != above.Filesystem
}

func asProblem(err error) *problem.Problem {
	var p *problem.Problem
	if errors.As(err, &p) {
		return p
	}
	return problem.Wrap(err, "restore is not possible", "")
}

// Restore brings the parts of a to their targets, which must be absent or
// empty. Everything is made ready beside the target and renamed into place; a
// target on a file system of its own is copied to. When it fails, the targets
// are as they were. When it succeeds, all of it has reached the disk.
func (b *restorer) Restore(ctx context.Context, a providers.Artifact) (err error) {
	moves, err := b.moves(a)
	if err != nil {
		return err
	}
	owner, err := lookupOwner(b.Config.Owner)
	if err != nil {
		return err
	}
	var undo, clean stack
	defer func() {
		if err != nil {
			undo.run()
		}
		// Only then are the folders empty that were made for the stage.
		clean.run()
	}()
	sources, err := b.openSources(ctx, a, moves, &clean)
	if err != nil {
		return err
	}
	for i, m := range moves {
		if err := isEmptyOrAbsent(m.target); err != nil {
			return err
		}
		if err := isFolder(sources[i].in, sources[i].name); err != nil {
			return problem.Wrap(err, "backup holds no "+m.name, "verify the backup")
		}
	}
	for i, m := range moves {
		s, err := openSpot(m.target)
		if err != nil {
			return err
		}
		clean = append(clean, s.close)
		from, err := b.made(ctx, a, m, sources[i], s, &clean)
		if err != nil {
			return err
		}
		if err := ready(ctx, from, ownerOf(m, owner)); err != nil {
			return err
		}
		undo = append(undo, s.undo)
		if err := b.place(ctx, from, s); err != nil {
			return err
		}
	}
	return nil
}

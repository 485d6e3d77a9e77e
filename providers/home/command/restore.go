package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/command"
	"bkp/providers/home"
)

// Restorer implements providers.Strategy. What an archive unpacked is put into its
// place as any home is. What only the storage has, the command brings beside the
// target first, so that the target is either empty or whole.
func (s *strategy) Restorer(target string) (providers.Restorer, error) {
	inner, err := s.RestorerOf(target, nil)
	if err != nil {
		return nil, err
	}
	return &restorer{inner, s, target}, nil
}

type restorer struct {
	home.Restorer

	home   *strategy
	target string
}

// Select implements providers.Selector. What only the storage has, comes back as a whole.
func (r *restorer) Select(a providers.Artifact, paths []string) (providers.Selection, error) {
	if a.Dir() == "" && command.InStorage(a) {
		return nil, problem.New("single paths cannot be restored", a.Address+" lies in its storage alone, and its commands bring all of it back",
			"restore the whole home elsewhere with --home, or from an archive that has a copy")
	}
	return r.Restorer.Select(a, paths)
}

// Check implements providers.Restorer.
func (r *restorer) Check(ctx context.Context, a providers.Artifact) (providers.Report, error) {
	report, err := r.Restorer.Check(ctx, a)
	if err != nil || !command.InStorage(a) {
		return report, err
	}
	return report, r.home.part.CheckBack(ctx, &report, a, r.target)
}

// Leavings implements providers.Restorer.
func (r *restorer) Leavings(a providers.Artifact) []string {
	out := r.Restorer.Leavings(a)
	if b := command.Backup(a); b != "" {
		out = append(out, r.Stage(b))
	}
	return out
}

// Restore implements providers.Restorer.
func (r *restorer) Restore(ctx context.Context, a providers.Artifact) (err error) {
	if a.Dir() != "" {
		return r.Restorer.Restore(ctx, a)
	}
	if !command.InStorage(a) {
		return problem.New("trees are not in an archive", fmt.Sprintf("%s holds trees where its commands put them", a.Address), "restore from an archive that has a copy of them")
	}
	// What makes a restore fail anyway is found before anything is copied.
	report, err := r.Restorer.Check(ctx, a)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(report.Findings, func(f providers.Finding) bool { return f.Severity == problem.Error }); i >= 0 {
		return &report.Findings[i]
	}
	stage := r.Stage(command.Backup(a))
	made, err := makeStage(stage)
	defer func() {
		err = errors.Join(err, os.RemoveAll(stage))
		for _, dir := range slices.Backward(made) {
			_ = os.Remove(dir) // stays where the home is in it
		}
	}()
	if err != nil {
		return problem.Wrap(err, "nothing can be brought back beside the target", "run as a user who may write there, or choose another target")
	}
	if err := r.home.part.BringBack(ctx, a, r.target, intoOf(a, stage)); err != nil {
		return err
	}
	if err := r.home.Strip(ctx, stage); err != nil {
		return err
	}
	a.Trees = providers.OneTree(stage)
	return r.Restorer.Restore(ctx, a)
}

// intoOf are the folders that the command has to make, below the stage.
func intoOf(a providers.Artifact, stage string) []command.Tree {
	out := []command.Tree{{Place: "home", Path: filepath.Join(stage, "home")}}
	for i := range home.Stores(a) {
		place := "stores/" + strconv.Itoa(i)
		out = append(out, command.Tree{Place: place, Path: filepath.Join(stage, filepath.FromSlash(place))})
	}
	return out
}

// makeStage makes an empty folder, and returns the folders that it had to make
// above. One that a killed restore left is removed first.
func makeStage(stage string) (made []string, err error) {
	for dir := filepath.Dir(stage); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		made = append(made, dir)
	}
	slices.Reverse(made)
	for _, dir := range made {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return made, err
		}
	}
	if err := os.RemoveAll(stage); err != nil {
		return made, err
	}
	return made, os.Mkdir(stage, 0o700)
}

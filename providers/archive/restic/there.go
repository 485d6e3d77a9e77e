package restic

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"

	"bkp/internal/filemeta"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/internal/shelf"
)

// The tasks that are done where a tree is.
const (
	// taskRoots looks at the folders of an artifact; its result is a list of trees.
	taskRoots = "roots"
	// taskStore stores a part; notes are its notes, and its result is a storedThere.
	taskStore = "store"
)

// notes are what the machine of a tree has to know to store it.
type notes struct {
	// Holder is whose the snapshots are.
	Holder string `json:"holder"`
	// Roots are the trees, in the order of the artifact's; Parents the snapshots before,
	// by place.
	Roots   []tree            `json:"roots"`
	Parents map[string]string `json:"parents"`
}

type storedThere struct {
	Part  providers.Part `json:"part"`
	Trees []tree         `json:"trees"`
}

var _ providers.Worker = (*archive)(nil)

// worksThere reports whether other machines can reach the repository: a folder is
// this machine's.
func (c *Config) worksThere() bool {
	kind, _, _ := c.backend()
	return kind != "local"
}

// WorksThere implements providers.Worker.
func (a *archive) WorksThere() bool { return a.cfg.worksThere() }

// Lend implements providers.Worker. The cache is that of the other machine.
func (a *archive) Lend(context.Context) (any, error) {
	cfg := a.cfg
	cfg.CacheDir, cfg.Init = "", false
	return &cfg, nil
}

// CheckThere implements providers.Worker.
func (a *archive) CheckThere(ctx context.Context, address string) (providers.Report, error) {
	var r providers.Report
	art := providers.Artifact{Address: address}
	return r, a.there(ctx, providers.Task{Do: providers.TaskCheck, Looks: true, Packing: providers.Packing{Artifact: art}}, &r, nil)
}

// there has a task done, and decodes its result.
func (a *archive) there(ctx context.Context, t providers.Task, result any, progress func(providers.Progress)) error {
	out, err := a.env.Far.Work(ctx, a, t, progress)
	if err != nil {
		return err
	}
	return json.Unmarshal(out, result)
}

// Work implements providers.Worker.
func (a *archive) Work(ctx context.Context, t providers.Task, r providers.Record) (json.RawMessage, error) {
	art := t.Packing.Artifact
	switch t.Do {
	case providers.TaskCheck:
		report, err := a.checkHere(ctx)
		if err != nil {
			return nil, err
		}
		return json.Marshal(report)
	case taskRoots:
		trees, err := rootsOf(art)
		if err != nil {
			return nil, err
		}
		return json.Marshal(trees)
	case taskStore:
		var n notes
		if err := json.Unmarshal(t.Notes, &n); err != nil {
			return nil, err
		}
		if len(n.Roots) != len(art.Trees) || n.Holder == "" {
			return nil, fmt.Errorf("task %q of %s: its notes are of something else", t.Do, art.Address)
		}
		a.holds = n.Holder
		part, trees, err := a.storePart(ctx, t.Packing.Manifest.ID, art, n, r, shelf.NewProgress(a.env))
		if err != nil {
			return nil, err
		}
		return json.Marshal(storedThere{part, trees})
	}
	return nil, fmt.Errorf("%s does not know the task %q", a.env.Address, t.Do)
}

// checkHere looks whether restic is on this machine and reaches the repository. Whether
// it exists yet, the machine that runs bkp says.
func (a *archive) checkHere(ctx context.Context) (providers.Report, error) {
	var r providers.Report
	v, err := a.version(ctx)
	if err != nil {
		return r, addProblem(&r, err)
	}
	if v.before(oldest) {
		r.Add(a.tooOld(v))
		return r, nil
	}
	if _, err = a.config(ctx); codeOf(err) == codeNone {
		return r, nil
	}
	return r, addProblem(&r, err)
}

// rootsOf looks at the folders of an artifact whose trees are on this machine.
func rootsOf(art providers.Artifact) ([]tree, error) {
	var out []tree
	for _, t := range art.Trees {
		meta, err := filemeta.Read(t.Path + string(filepath.Separator) + ".")
		if err != nil {
			return nil, err
		}
		empty, err := isEmpty(t)
		if err != nil {
			return nil, err
		}
		out = append(out, tree{Place: t.Place, Empty: empty, Root: rootOf(meta)})
	}
	return out, nil
}

// roots are those of an artifact, wherever its trees are.
func (a *archive) roots(ctx context.Context, art providers.Artifact) ([]tree, error) {
	if art.Host() == "" {
		return rootsOf(art)
	}
	var out []tree
	err := a.there(ctx, providers.Task{Do: taskRoots, Looks: true, Packing: providers.Packing{Artifact: art}}, &out, nil)
	if err == nil && len(out) != len(art.Trees) {
		err = fmt.Errorf("%s: %d trees of %d were looked at", art.Host(), len(out), len(art.Trees))
	}
	return out, err
}

// storeThere has the machine of the trees store them, and looks for the snapshots.
func (a *archive) storeThere(ctx context.Context, m providers.Manifest, art providers.Artifact, n notes, done *shelf.Progress) (providers.Part, []tree, error) {
	text, err := json.Marshal(n)
	if err != nil {
		return providers.Part{}, nil, err
	}
	var s storedThere
	t := providers.Task{Do: taskStore, Packing: providers.Packing{Manifest: inner(m), Artifact: art}, Notes: text}
	if err := a.there(ctx, t, &s, done.Follow()); err != nil {
		return s.Part, nil, err
	}
	s.Part.By = art.Host()
	all, err := a.snapshots(ctx, m.ID, false)
	if err != nil {
		return s.Part, nil, err
	}
	if len(s.Trees) != len(art.Trees) {
		return s.Part, nil, fmt.Errorf("%s: %d trees of %d were stored", art.Host(), len(s.Trees), len(art.Trees))
	}
	for _, made := range s.Trees {
		isIt := func(x snapshot) bool { return x.ID == made.Snapshot && x.Tree == made.Tree }
		if !made.Empty && !slices.ContainsFunc(all, isIt) {
			return s.Part, nil, problem.New("snapshot is missing", fmt.Sprintf("%s stored %s as %s, which %s does not list", art.Host(), art.Address, made.Snapshot, a.shown()),
				"see that the address of the repository leads to the same one from both machines, then run the backup again")
		}
	}
	return s.Part, s.Trees, nil
}

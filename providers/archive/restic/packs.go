package restic

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"bkp/internal/problem"
)

// packsFile keeps the names of the packs that the repository had when the last backup was
// stored.
const packsFile = "packs"

// whole looks whether the repository still has its packs. restic takes what its index
// names for stored and does not look, so that a backup made after a pack was lost would
// end well and lack what was in it. To list the packs costs little beside reading the
// index, which is needed only if one of those of the last backup is gone: after a prune,
// or for good.
func (a *archive) whole(ctx context.Context) error {
	now, err := a.packs(ctx)
	if err != nil {
		return err
	}
	before, err := a.knownPacks()
	if err != nil {
		return err
	}
	if before == nil || !now.hasAll(before) {
		if err := a.hasAllIndexed(ctx, now); err != nil {
			return err
		}
	}
	return a.keepPacks(now)
}

// hasAllIndexed compares the packs with the index.
func (a *archive) hasAllIndexed(ctx context.Context, now ids) error {
	indexed, err := a.indexed(ctx)
	if err != nil || now.hasAll(indexed) {
		return err
	}
	// Others that store there meanwhile add packs first, and then an index.
	later, err := a.packs(ctx)
	if err != nil {
		return err
	}
	lost := slices.DeleteFunc(indexed, func(id string) bool { return now[id] || later[id] })
	if len(lost) == 0 {
		return nil
	}
	return problem.New(repositoryDamaged, fmt.Sprintf("%s lacks packs that its index names: %d, such as %s; restic would not store again what was in them", a.shown(), len(lost), lost[0]),
		"find out what removed them, and bring them back if you can. Otherwise have restic forget them, so that it stores their content again, and verify the earlier backups, which lack it:\n\n    restic repair index\n")
}

// ids are names of files in a repository.
type ids map[string]bool

func (s ids) hasAll(list []string) bool {
	return !slices.ContainsFunc(list, func(id string) bool { return !s[id] })
}

// packs are those that are there.
func (a *archive) packs(ctx context.Context) (ids, error) {
	list, err := a.list(ctx, "packs")
	out := make(ids, len(list))
	for _, id := range list {
		out[id] = true
	}
	return out, err
}

// indexed are the packs that the index names, in no order. An index that is replaced
// meanwhile counts no more.
func (a *archive) indexed(ctx context.Context) ([]string, error) {
	list, err := a.list(ctx, "index")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, id := range list {
		var index struct {
			Packs []struct {
				ID string `json:"id"`
			} `json:"packs"`
		}
		if err := a.output(ctx, call{args: []string{"cat", "index", id}, reads: true, uncached: true}, &index); err != nil {
			again, failed := a.list(ctx, "index")
			if failed != nil || slices.Contains(again, id) {
				return nil, err
			}
			continue
		}
		for _, p := range index.Packs {
			out = append(out, p.ID)
		}
	}
	return out, nil
}

// list returns the names of the files of a kind, as restic lists them.
func (a *archive) list(ctx context.Context, kind string) ([]string, error) {
	out := &bounded{most: maxOutput}
	if err := a.run(ctx, call{args: []string{"list", kind}, reads: true, uncached: true, stdout: out}); err != nil {
		return nil, err
	}
	names := strings.Fields(out.String())
	for _, id := range names {
		if !isHash(id) {
			return nil, fmt.Errorf("restic list %s printed %q", kind, shortened(id))
		}
	}
	return names, nil
}

// knownPacks are those of the last backup, nil if none is known.
func (a *archive) knownPacks() ([]string, error) {
	text, err := os.ReadFile(a.work(packsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return strings.Fields(string(text)), nil
}

func (a *archive) keepPacks(now ids) error {
	names := make([]string, 0, len(now))
	for id := range now {
		names = append(names, id)
	}
	slices.Sort(names)
	if err := a.makeWork(); err != nil {
		return err
	}
	// A part of it, after a kill, has the index read once more.
	return os.WriteFile(a.work(packsFile), []byte(strings.Join(names, "\n")+"\n"), 0o600)
}

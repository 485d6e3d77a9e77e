package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home"
)

// Keep implements providers.Keeper.
func (h *Home) Keep(ctx context.Context, m providers.Manifest, a providers.Artifact) (providers.Artifact, error) {
	t, l, err := layoutOf(a)
	if err != nil {
		return a, err
	}
	set, err := h.set(ctx, t, l)
	if err != nil {
		return a, err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return a, err
	}
	if err := h.storage.Keep(ctx, set, text); err != nil {
		return a, err
	}
	a.Life = providers.Native
	return a, nil
}

// List implements providers.Shelf.
func (h *Home) List(ctx context.Context) ([]providers.Manifest, []providers.Finding, error) {
	sets, findings, err := h.kept(ctx)
	if err != nil {
		return nil, nil, err
	}
	r := providers.Report{Findings: findings}
	var out []providers.Manifest
	for _, s := range sets {
		m, err := manifestOf(s)
		if err != nil {
			r.Add(problem.Wrapf(err, "manifest of a snapshot cannot be read", "remove the snapshots of this backup with the tools of the storage, or keep them to restore by hand", "backup %s", s.Tag.Backup))
			continue
		}
		if err := h.complete(s, m); err != nil {
			r.Add(asProblem(err))
			continue
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b providers.Manifest) int { return b.ID.Time().Compare(a.ID.Time()) })
	return out, r.Findings, nil
}

// complete returns a problem for a set that lacks a snapshot of one of the volumes.
func (h *Home) complete(s Set, m providers.Manifest) error {
	a, _ := m.Artifact(h.Env.Address)
	t, l, err := layoutOf(a)
	if err != nil {
		return err
	}
	for _, v := range l.Volumes {
		if _, ok := s.of(v.ID); !ok {
			return gone(t, v)
		}
	}
	return nil
}

func manifestOf(s Set) (providers.Manifest, error) {
	var m providers.Manifest
	if err := json.Unmarshal(s.Manifest, &m); err != nil {
		return m, err
	}
	if m.ID != s.Tag.Backup {
		return m, fmt.Errorf("it is of backup %q", m.ID)
	}
	if m.Format > providers.ManifestFormat {
		return m, fmt.Errorf("it has format %d; this version knows %d", m.Format, providers.ManifestFormat)
	}
	return m, nil
}

// kept are the sets of this home that stay, no matter who took them: a state folder may
// be lost.
func (h *Home) kept(ctx context.Context) ([]Set, []providers.Finding, error) {
	sets, findings, err := h.storage.Sets(ctx)
	sets = slices.DeleteFunc(sets, func(s Set) bool {
		other := h.Env.Instance.Name != "" && s.Tag.Backup.Instance() != h.Env.Instance.Name
		return !s.Kept() || s.Tag.Address != h.Env.Address || other
	})
	return sets, findings, err
}

// Verify implements providers.Shelf. What the snapshots hold only the storage
// knows.
func (h *Home) Verify(ctx context.Context, b providers.BackupID) ([]providers.Finding, error) {
	sets, _, err := h.kept(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(sets, func(s Set) bool { return s.Tag.Backup == b })
	if i < 0 {
		return nil, fmt.Errorf("%w: %s", providers.ErrNotFound, b)
	}
	m, err := manifestOf(sets[i])
	if err != nil {
		return []providers.Finding{*problem.Wrap(err, "manifest of a snapshot cannot be read", "restore another backup")}, nil
	}
	a, _ := m.Artifact(h.Env.Address)
	t, l, err := layoutOf(a)
	if err == nil {
		_, err = h.set(ctx, t, l)
	}
	if err != nil {
		return []providers.Finding{*asProblem(err)}, nil
	}
	return nil, nil
}

func asProblem(err error) *problem.Problem {
	var p *problem.Problem
	if errors.As(err, &p) {
		return p
	}
	return problem.Wrap(err, "snapshot cannot be relied on", problem.Remedy(err))
}

// Delete implements providers.Shelf.
func (h *Home) Delete(ctx context.Context, b providers.BackupID) error {
	sets, _, err := h.kept(ctx)
	if err != nil {
		return err
	}
	for _, s := range sets {
		if s.Tag.Backup != b {
			continue
		}
		if err := h.storage.Delete(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// Restorer implements providers.Strategy. What an archive did not unpack is
// copied from its snapshots: the volume of the home stays as it is, whatever was
// taken of it since.
func (h *Home) Restorer(target string) (providers.Restorer, error) {
	to, err := h.RestorerOf(target, h.open)
	if err != nil {
		return nil, err
	}
	return restorer{to, h}, nil
}

// open makes the snapshots of a readable.
func (h *Home) open(ctx context.Context, a providers.Artifact) ([]providers.Tree, func() error, error) {
	t, l, err := layoutOf(a)
	if err != nil {
		return nil, nil, err
	}
	set, err := h.set(ctx, t, l)
	if err != nil {
		return nil, nil, err
	}
	v, err := openView(ctx, h.storage, h.views(), set, l)
	if err != nil {
		return nil, nil, err
	}
	return v.trees, func() error { return v.close(context.WithoutCancel(ctx)) }, nil
}

type restorer struct {
	home.Restorer

	from *Home
}

// Check implements providers.Restorer.
func (r restorer) Check(ctx context.Context, a providers.Artifact) (providers.Report, error) {
	report, err := r.Restorer.Check(ctx, a)
	if err != nil || a.Copied || a.Dir() != "" {
		return report, err // an archive has it
	}
	t, l, err := layoutOf(a)
	if err == nil {
		_, err = r.from.set(ctx, t, l)
	}
	if err != nil {
		report.Add(asProblem(err))
	}
	return report, nil
}

// SetOf finds the snapshots of an artifact: all of them, and none that failed.
func (h *Home) SetOf(ctx context.Context, a providers.Artifact) (Set, error) {
	t, l, err := layoutOf(a)
	if err != nil {
		return Set{}, err
	}
	return h.set(ctx, t, l)
}

// Captured are the tag of an artifact's snapshots, and the volumes that they are of.
func Captured(a providers.Artifact) (Tag, []Volume, error) {
	t, l, err := layoutOf(a)
	return t, l.Volumes, err
}

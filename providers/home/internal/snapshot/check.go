package snapshot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/internal/mark"
)

// Check implements providers.Strategy.
func (h *Home) Check(ctx context.Context) (providers.Report, error) {
	r, err := h.Base.Check(ctx)
	if err != nil {
		return r, err
	}
	if r.Failed() {
		return r, h.absent(ctx, &r)
	}
	l, err := h.find(ctx)
	var p *problem.Problem
	if errors.As(err, &p) {
		r.Add(p)
		return r, nil
	}
	if err != nil {
		return r, err
	}
	l.facts(r.Facts)
	h.checkFolders(&r, l)
	findings, err := h.storage.Check(ctx, l.Volumes)
	r.Findings = append(r.Findings, findings...)
	if err != nil || r.Failed() {
		return r, err
	}
	if err := h.strangers(ctx, &r); err != nil {
		return r, err
	}
	h.describe(&r, l)
	return r, nil
}

// checkFolders refuses a database whose files lie on volumes that are not captured
// at one instant: it writes them all the time, under the lock, too.
func (h *Home) checkFolders(r *providers.Report, l layout) {
	byAddress := map[string][]Volume{}
	for i, f := range h.Env.Instance.Folders {
		for _, p := range l.Parts {
			if p.Place != h.Also[i].Name {
				continue
			}
			for _, s := range append([]spot{p.spot}, p.Inside...) {
				v := l.Volumes[l.volume(s.Volume)]
				if !slices.Contains(byAddress[f.Address], v) {
					byAddress[f.Address] = append(byAddress[f.Address], v)
				}
			}
		}
	}
	for _, address := range slices.Sorted(maps.Keys(byAddress)) {
		if volumes := byAddress[address]; !h.storage.Atomic(volumes) {
			r.Add(problem.New("database lies on several volumes", fmt.Sprintf("the files of %s are on %s, whose snapshots cannot be taken at one instant", address, layout{Volumes: volumes}.names()),
				`bring them to one volume, or dump the database: database "postgresql"`))
		}
	}
}

// absent adds, to a report of a home that is not there or not whole, what the storage
// knows of it.
func (h *Home) absent(ctx context.Context, r *providers.Report) error {
	s, ok := h.storage.(Absenter)
	if !ok {
		return nil
	}
	for _, p := range h.Parts() {
		found, err := s.Absent(ctx, p.Source)
		if err != nil {
			return err
		}
		if found != nil {
			r.Add(found)
		}
	}
	return nil
}

func (h *Home) describe(r *providers.Report, l layout) {
	how := "take a snapshot of " + l.names()
	if len(l.Volumes) > 1 {
		how = "take snapshots of " + l.names() + ", at one instant"
		if !h.storage.Atomic(l.Volumes) {
			how = "take snapshots of " + l.names() + ", one after the other"
		}
	}
	for _, p := range h.Parts() {
		if s, ok := h.storage.(Sharer); ok && s.SharesBlocks() {
			r.Trees = append(r.Trees, p.Source)
		} else {
			r.Trees = append(r.Trees, "")
		}
	}
	r.Does[providers.Prepare] = "bring the home to disk, and remove snapshots that interrupted runs left"
	r.Does[providers.Capture] = how
	r.Does[providers.Finish] = "mount what was captured outside the home, to be read: " + home.Describe(r.Estimate)
	if _, ok := h.storage.(Completer); ok {
		const waits = "wait until the snapshots are complete"
		if h.Env.Instance.Stays {
			r.Does[providers.Finish] = waits
		} else {
			r.Does[providers.Finish] = waits + ", and " + r.Does[providers.Finish]
		}
	}
	r.Does[providers.Restore] = "put the home back and remove stale git lock files"
}

// strangers warns of snapshots of this home that nobody cleans up: those of
// another state folder, which is gone or has forgotten them.
func (h *Home) strangers(ctx context.Context, r *providers.Report) error {
	sets, findings, err := h.storage.Sets(ctx)
	if err != nil {
		return err
	}
	r.Findings = append(r.Findings, findings...)
	mine := mark.Owner(h.Env.WorkDir)
	for _, s := range sets {
		if s.Tag.Owner == mine || s.Kept() || s.Tag.Address != h.Env.Address || s.Tag.Backup.Instance() != h.Env.Instance.Name {
			continue
		}
		var names []string
		for _, sn := range s.Snapshots {
			names = append(names, sn.Name)
		}
		r.Add(problem.Warn("snapshots of another state folder", fmt.Sprintf("%s of backup %s, which nobody keeps", strings.Join(names, ", "), s.Tag.Backup),
			"if no other bkp backs up this home, remove them with the tools of the storage: they hold on to space"))
	}
	return nil
}

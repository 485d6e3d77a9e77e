package awssnapshots

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/internal/aws"
	"bkp/providers/internal/mark"
)

const another = "restore another backup if you need to; remove what is left of this one with bkp prune, or in Amazon"

// patience is for how long copies are looked for that no block takes: a machine without a route to
// one of Amazon's services would wait for minutes.
const patience = 5 * time.Second

// mine are the copies of this archive, whichever state folder made them, also of a strategy whose
// block is gone. What no block takes stops nobody: there may be no right to look for it, nor a
// route to the service that has it.
func (a *archive) mine(ctx context.Context) ([]aws.Copy, error) {
	short, cancel := context.WithTimeout(ctx, a.patience)
	defer cancel()
	var out []aws.Copy
	for _, k := range []aws.Kind{aws.Volumes, aws.Instances, aws.Clusters} {
		find := func() ([]aws.Copy, error) { return a.to.Copies(ctx, k) }
		if !a.copies(k) {
			find = func() ([]aws.Copy, error) { return a.needless(short, k) }
		}
		found, err := find()
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return slices.DeleteFunc(out, func(c aws.Copy) bool { return c.Tags[aws.TagHolder] != a.env.Address }), nil
}

// needless are the copies of a kind that no block takes, none if they cannot be looked for: that
// is tried once. An archive of no block at all needs every kind that it has a right to.
func (a *archive) needless(ctx context.Context, k aws.Kind) ([]aws.Copy, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.passed[k] != nil {
		return nil, nil
	}
	found, err := a.to.Copies(ctx, k)
	if err == nil {
		return found, nil
	}
	if len(a.sources()) == 0 && !aws.Denied(err) {
		return nil, err
	}
	a.passed[k] = err
	return nil, nil
}

// passedOver returns a warning for copies that were not looked for, nil if none may be there: a
// policy for volumes alone leaves out the rights to look for others.
func (a *archive) passedOver() *problem.Problem {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range slices.Sorted(maps.Keys(a.passed)) {
		if err := a.passed[k]; !aws.Denied(err) {
			return problem.Warn("copies were not looked for", fmt.Sprintf("those of kind %s, which no block of %s takes: %v", k, a.env.Address, err),
				"let this machine reach the service, if the archive has copies of a block that is gone")
		}
	}
	return nil
}

// unseen reports whether the copies of a component were not looked for.
func (a *archive) unseen(address string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.passed) > 0 && !a.Keeps(address)
}

// manifestOf is the manifest in the tags of a copy, nil for one that is no part of a
// backup.
func manifestOf(c aws.Copy) []byte {
	if c.Tags[tagDoomed] != "" {
		return nil
	}
	var pieces []string
	for key, value := range c.Tags {
		if strings.HasPrefix(key, tagManifest) {
			pieces = append(pieces, value)
		}
	}
	return mark.Join(pieces)
}

// doomedOf are the backups that are being deleted. Copies are marked one after the other, and one of
// them is enough.
func doomedOf(mine []aws.Copy) map[string]bool {
	out := map[string]bool{}
	for _, c := range mine {
		if c.Tags[tagDoomed] != "" {
			out[c.Tags[aws.TagCopy]] = true
		}
	}
	return out
}

// List implements providers.Archiver.
func (a *archive) List(ctx context.Context) ([]providers.Manifest, []providers.Finding, error) {
	mine, err := a.mine(ctx)
	if err != nil {
		return nil, nil, err
	}
	var r providers.Report
	if passed := a.passedOver(); passed != nil {
		r.Add(passed)
	}
	doomed := doomedOf(mine)
	byID := map[providers.BackupID]providers.Manifest{}
	for _, c := range mine {
		id, text := providers.BackupID(c.Tags[aws.TagCopy]), manifestOf(c)
		if _, known := byID[id]; known || text == nil || doomed[string(id)] || a.env.Instance.Name != "" && !a.isOf(id) {
			continue
		}
		m, err := parse(id, text)
		if err != nil {
			r.Add(problem.Wrapf(err, "manifest of a copy cannot be read", "restore another backup, or this one by hand from its snapshots", "backup %s", id))
			continue
		}
		byID[id] = m
	}
	var out []providers.Manifest
	for id, m := range byID {
		if bad := a.damage(m, mine); bad != nil {
			r.Add(bad)
			continue
		}
		if m, err = a.withCopies(m, mine); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", id, err)
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(x, y providers.Manifest) int { return y.ID.Time().Compare(x.ID.Time()) })
	return out, r.Findings, nil
}

// isOf reports whether a backup is of the instance.
func (a *archive) isOf(id providers.BackupID) bool {
	b, err := providers.ParseBackupID(string(id))
	return err == nil && b.Instance() == a.env.Instance.Name
}

func parse(id providers.BackupID, text []byte) (providers.Manifest, error) {
	var m providers.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return m, err
	}
	switch {
	case m.ID != id:
		return m, fmt.Errorf("it is of backup %q", m.ID)
	case m.Format > providers.ManifestFormat:
		return m, fmt.Errorf("it has format %d; this version knows %d", m.Format, providers.ManifestFormat)
	case len(m.Stored) != 1:
		return m, fmt.Errorf("it names %d archives", len(m.Stored))
	}
	return m, nil
}

// damage returns a problem for a backup that lacks a copy, nil for one that is whole.
func (a *archive) damage(m providers.Manifest, mine []aws.Copy) *problem.Problem {
	for address, part := range m.Stored[0].Parts {
		for _, o := range part.Objects {
			i := slices.IndexFunc(mine, func(c aws.Copy) bool { return c.ID == o.Name })
			if i < 0 && a.unseen(address) {
				return problem.Warn("copy of a snapshot was not looked for", fmt.Sprintf("%s: %s, of %s, which is not declared any more", m.ID, o.Name, address),
					"let this machine look for it: the right and the route to the service")
			}
			if i < 0 {
				return problem.New("copy of a snapshot is missing", fmt.Sprintf("%s: %s, of %s, is not there any more", m.ID, o.Name, address), another)
			}
			if mine[i].State != aws.Ready {
				return problem.New("copy of a snapshot failed", fmt.Sprintf("%s: %s, of %s, is %s", m.ID, o.Name, address, strings.TrimSpace(mine[i].Why)), another)
			}
		}
	}
	return nil
}

// withCopies says in the artifacts of m where their copies are. As whom they are asked for
// says the configuration, and no tag.
func (a *archive) withCopies(m providers.Manifest, mine []aws.Copy) (providers.Manifest, error) {
	m.Stored[0].Archive = a.env.Address
	m.Artifacts = slices.Clone(m.Artifacts)
	for i, art := range m.Artifacts {
		part, ok := m.Stored[0].Parts[art.Address]
		if !ok {
			continue
		}
		to := aws.Copied{Access: a.config.Access}
		for _, c := range mine {
			if slices.ContainsFunc(part.Objects, func(o providers.Object) bool { return o.Name == c.ID }) {
				to.Copies = append(to.Copies, c.Original)
			}
		}
		text, err := json.Marshal(to)
		if err != nil {
			return m, err
		}
		ref := map[string]string{aws.RefCopies: string(text)}
		for key, value := range art.Ref {
			if key != aws.RefCopies {
				ref[key] = value
			}
		}
		m.Artifacts[i].Ref = ref
	}
	return m, nil
}

func (a *archive) find(ctx context.Context, b providers.BackupID) (providers.Manifest, error) {
	list, _, err := a.List(ctx)
	if err != nil {
		return providers.Manifest{}, err
	}
	for _, m := range list {
		if m.ID == b {
			return m, nil
		}
	}
	return providers.Manifest{}, fmt.Errorf("%w: %s", providers.ErrNotFound, b)
}

// Verify implements providers.Archiver. That the bytes are right only Amazon knows.
func (a *archive) Verify(ctx context.Context, b providers.BackupID) ([]providers.Finding, error) {
	mine, err := a.mine(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(mine, isKept(b))
	if i < 0 {
		return nil, fmt.Errorf("%w: %s", providers.ErrNotFound, b)
	}
	var r providers.Report
	m, err := parse(b, manifestOf(mine[i]))
	switch bad := (*problem.Problem)(nil); {
	case err != nil:
		r.Add(problem.Wrapf(err, "manifest of a copy cannot be read", "restore another backup", "backup %s", b))
	default:
		if bad = a.damage(m, mine); bad != nil {
			r.Add(bad)
			break
		}
		r.Add(problem.Warn("snapshots have no checksums", "of "+string(b)+" it is known that its copies are there, and not that each byte is right", "restore it on trial, to another place"))
	}
	return r.Findings, nil
}

// Fetch implements providers.Archiver. A strategy restores from the copies itself.
func (a *archive) Fetch(ctx context.Context, b providers.BackupID, _ func(providers.Artifact) string) (providers.Manifest, error) {
	return a.find(ctx, b)
}

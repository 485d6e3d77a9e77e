package elasticsearch

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/elasticsearch/internal/api"
)

// markOf is the name of the snapshot that says that the one of b stays.
func markOf(b providers.BackupID) string { return nameOf(b) + ".kept" }

// Keys of the metadata of a mark: what cannot be known otherwise once the state folder
// is lost. They are short: servers take 1024 bytes.
const (
	noteVersion = "bitbucket"
	noteWindow  = "lock_window"
	noteInstant = "point_in_time"
)

// noIndex is a pattern that matches no index: the snapshot of it is empty.
const noIndex = "bkp-holds-no-index-*"

// Keep implements providers.Keeper.
func (x *Index) Keep(ctx context.Context, m providers.Manifest, a providers.Artifact) (providers.Artifact, error) {
	c, err := x.api()
	if err != nil {
		return a, err
	}
	if _, err := x.whole(ctx, c, m.ID); err != nil {
		return a, err
	}
	if _, err := c.Snapshot(ctx, x.cfg.Repository, markOf(m.ID)); !api.IsMissing(err) {
		return a, err // it is there, or that is not known
	}
	notes := x.notes(m.ID)
	notes[noteVersion] = m.BitbucketVersion
	notes[noteWindow] = strconv.FormatInt(m.LockWindow.Milliseconds(), 10)
	notes[noteInstant] = a.PointInTime.UTC().Format(time.RFC3339Nano)
	err = x.begin(ctx, c, markOf(m.ID), api.Order{Indices: []string{noIndex}, Metadata: notes, Lenient: true})
	if err != nil && !api.IsTaken(err) {
		return a, err
	}
	a.Life = providers.Native
	return a, nil
}

// whole returns the snapshot of b, if it is there and complete.
func (x *Index) whole(ctx context.Context, c *api.Client, b providers.BackupID) (api.Snapshot, error) {
	s, err := c.Snapshot(ctx, x.cfg.Repository, nameOf(b))
	if err != nil {
		return s, err
	}
	if !x.owns(s, b) {
		return s, problem.New("snapshot is of something else", fmt.Sprintf("%s in repository %s does not say that it is of %s", s.Name, x.cfg.Repository, b), "let each instance have a repository of its own")
	}
	return s, ended(s)
}

// pair is a backup as the repository has it.
type pair struct{ index, mark *api.Snapshot }

// pairs are the snapshots of this component, by backup.
func (x *Index) pairs(ctx context.Context, c *api.Client) (map[providers.BackupID]pair, error) {
	pattern := "*"
	if name := x.env.Instance.Name; name != "" {
		pattern = strings.ToLower(name) + "-*"
	}
	list, err := c.Snapshots(ctx, x.cfg.Repository, pattern)
	if err != nil {
		return nil, err
	}
	out := map[providers.BackupID]pair{}
	for _, s := range list {
		b, err := providers.ParseBackupID(s.Note(noteBackup))
		if err != nil || !x.owns(s, b) || x.env.Instance.Name != "" && b.Instance() != x.env.Instance.Name {
			continue
		}
		p := out[b]
		switch s.Name {
		case nameOf(b):
			p.index = &s
		case markOf(b):
			p.mark = &s
		default:
			continue // renamed by somebody: not ours any more
		}
		out[b] = p
	}
	return out, nil
}

// List implements providers.Shelf.
func (x *Index) List(ctx context.Context) ([]providers.Manifest, []providers.Finding, error) {
	c, err := x.api()
	if err != nil {
		return nil, nil, err
	}
	all, err := x.pairs(ctx, c)
	if api.IsUnregistered(err) && x.cfg.Register {
		return nil, nil, nil // the first run registers it
	}
	if err != nil {
		return nil, nil, err
	}
	var out []providers.Manifest
	var r providers.Report
	for b, p := range all {
		switch {
		case p.mark == nil: // it was not kept
		case p.index == nil:
			r.Add(lost(b, "repository "+x.cfg.Repository+" has its mark, and not the snapshot itself"))
		case p.index.Fault() != "":
			r.Add(lost(b, p.index.Fault()))
		default:
			out = append(out, x.manifest(b, p))
		}
	}
	slices.SortFunc(out, func(a, b providers.Manifest) int { return b.ID.Time().Compare(a.ID.Time()) })
	slices.SortFunc(r.Findings, func(a, b providers.Finding) int { return strings.Compare(a.Detail, b.Detail) })
	return out, r.Findings, nil
}

// lost is about a backup whose snapshot cannot be relied on.
func lost(b providers.BackupID, why string) *problem.Problem {
	return problem.New("snapshot of the search index is lost", fmt.Sprintf("%s: %s", b, why),
		"restore the rest of the backup, and let Bitbucket build the index anew: rebuild = true in the elasticsearch block")
}

// manifest is what the repository knows of a backup: its own part.
func (x *Index) manifest(b providers.BackupID, p pair) providers.Manifest {
	instant, err := time.Parse(time.RFC3339Nano, p.mark.Note(noteInstant))
	if err != nil {
		instant = b.Time()
	}
	window, _ := strconv.ParseInt(p.mark.Note(noteWindow), 10, 64) // 0 if it is not known
	return providers.Manifest{
		Format: providers.ManifestFormat, ID: b, Instance: b.Instance(), URL: p.mark.Note(noteURL), Created: b.Time(),
		BitbucketVersion: p.mark.Note(noteVersion), LockWindow: time.Duration(window) * time.Millisecond,
		Artifacts: []providers.Artifact{{
			Address: x.env.Address, Strategy: x.name, Life: providers.Native, PointInTime: instant,
			Ref:   map[string]string{refRepository: x.cfg.Repository, refSnapshot: nameOf(b)},
			Facts: map[string]string{factIndices: strings.Join(p.index.Indices, ",")},
		}},
	}
}

// Verify implements providers.Shelf. That the bytes are right only the server knows.
func (x *Index) Verify(ctx context.Context, b providers.BackupID) ([]providers.Finding, error) {
	c, err := x.api()
	if err != nil {
		return nil, err
	}
	all, err := x.pairs(ctx, c)
	if err != nil {
		return nil, err
	}
	p := all[b]
	switch {
	case p.mark == nil:
		return nil, notFound(b)
	case p.index == nil:
		return []providers.Finding{*lost(b, "its snapshot is not in repository "+x.cfg.Repository)}, nil
	case p.index.Fault() != "":
		return []providers.Finding{*lost(b, p.index.Fault())}, nil
	}
	return nil, nil
}

// Delete implements providers.Shelf. The mark goes last: until then the next call
// knows of the backup.
func (x *Index) Delete(ctx context.Context, b providers.BackupID) error {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return err
	}
	c, err := x.api()
	if err != nil {
		return err
	}
	for _, name := range []string{nameOf(b), markOf(b)} {
		s, err := c.Snapshot(ctx, x.cfg.Repository, name)
		switch {
		case api.IsMissing(err), api.IsUnregistered(err):
			continue
		case err != nil:
			return err
		case !x.owns(s, b):
			continue
		}
		if err := c.Delete(ctx, x.cfg.Repository, name); err != nil {
			return err
		}
	}
	return nil
}

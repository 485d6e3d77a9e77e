package rds

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/internal/aws"
	"bkp/providers/internal/mark"
)

var _ aws.Copyable = (*Strategy)(nil)

// Access implements aws.Copyable.
func (s *Strategy) Access() aws.Access { return s.config.Access }

// Kind implements aws.Copyable.
func (s *Strategy) Kind() aws.Kind { return s.config.Kind }

// Copyable implements aws.Copyable: a point in time is none of the things that can be
// copied.
func (s *Strategy) Copyable() error {
	if s.config.Snapshot {
		return nil
	}
	return problem.New("point in time cannot be copied", s.env.Address+" keeps points in time, which are in the log of the database alone", `set method = "snapshot" in `+s.env.Address)
}

// Originals implements aws.Copyable.
func (s *Strategy) Originals(ctx context.Context, a providers.Artifact) ([]aws.Original, error) {
	one, there, err := s.snapshot(ctx, a.Ref[refSnapshot])
	switch {
	case err != nil:
		return nil, err
	case !there:
		return nil, gone(a.Ref[refSnapshot])
	case one.Status != aws.Available:
		return nil, problem.New("snapshot is not complete", one.ID+" is "+one.Status, "wait until it is, then run again")
	}
	return []aws.Original{{Kind: s.config.Kind, ID: one.ID, ARN: one.ARN, Of: s.config.Database}}, nil
}

// copied reads where the copies of an artifact are.
func copied(a providers.Artifact) (aws.Copied, error) {
	var out aws.Copied
	err := json.Unmarshal([]byte(a.Ref[aws.RefCopies]), &out)
	if err == nil && len(out.Copies) != 1 {
		err = fmt.Errorf("there are %d copies", len(out.Copies))
	}
	if err != nil {
		return out, problem.Wrapf(err, "backup does not say where its copies are", "restore another backup", "%s", a.Address)
	}
	return out, nil
}

// checkCopies looks whether the copy of an artifact is complete.
func (s *Strategy) checkCopies(ctx context.Context, a providers.Artifact) error {
	c, err := copied(a)
	if err != nil {
		return err
	}
	all, err := aws.New(c.Access).Copies(ctx, s.config.Kind)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(one aws.Copy) bool { return one.ID == c.Copies[0].ID && one.State == aws.Ready }) {
		return gone(c.Copies[0].ID)
	}
	return nil
}

// bring returns the snapshot of an artifact, or one that is copied back for the time until
// drop is called.
func (s *Strategy) bring(ctx context.Context, a providers.Artifact) (name string, drop func() error, err error) {
	name = a.Ref[refSnapshot]
	drop = func() error { return nil }
	_, there, err := s.snapshot(ctx, name)
	if err != nil || there || a.Ref[aws.RefCopies] == "" {
		return name, drop, err
	}
	c, err := copied(a)
	if err != nil {
		return "", drop, err
	}
	here, drop, err := s.back().Bring(ctx, providers.BackupID(a.Ref[refBackup]), c)
	if err != nil {
		return "", drop, problem.Join(err, drop())
	}
	return here[0].ID, drop, nil
}

func (s *Strategy) back() aws.Back {
	return aws.Back{To: s.aws, Part: s.env.Address, Maker: mark.Owner(s.env.WorkDir), WorkDir: s.env.WorkDir, DatabaseKey: s.config.Restore.Key, Warn: s.env.Warning}
}

// Sweep implements providers.Strategy: what a killed restore copied back is deleted, and so is
// what Discard had to leave. A restore and a run of one state folder never happen at the same
// time.
func (s *Strategy) Sweep(ctx context.Context) error {
	list, err := s.calls().Snapshots(ctx, s.config.Database)
	if err != nil {
		return err
	}
	for _, one := range list {
		if one.Tags[tagAddress] != s.env.Address || one.Tags[tagDoomed] == "" {
			continue
		}
		if err := s.calls().DeleteSnapshot(ctx, one.ID); err != nil && ctx.Err() == nil {
			s.env.Warning(fmt.Sprintf("snapshot %s, which no backup needs, could not be deleted, which the next run tries again: %v", one.ID, err))
		}
	}
	return s.back().Sweep(ctx, s.config.Kind)
}

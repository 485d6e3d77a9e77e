package awsebs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home/internal/snapshot"
	"bkp/providers/internal/aws"
)

var _ aws.Copyable = (*strategy)(nil)

// Access implements aws.Copyable.
func (s *strategy) Access() aws.Access { return s.storage.config.Access }

// Kind implements aws.Copyable.
func (*strategy) Kind() aws.Kind { return aws.Volumes }

// Copyable implements aws.Copyable.
func (*strategy) Copyable() error { return nil }

// Originals implements aws.Copyable.
func (s *strategy) Originals(ctx context.Context, a providers.Artifact) ([]aws.Original, error) {
	set, err := s.SetOf(ctx, a)
	if err != nil {
		return nil, err
	}
	if err := s.storage.Complete(ctx, set); err != nil {
		return nil, err
	}
	var out []aws.Original
	for _, sn := range set.Snapshots {
		out = append(out, aws.Original{Kind: aws.Volumes, ID: sn.ID, Of: sn.Volume.ID})
	}
	return out, nil
}

// Restorer implements providers.Strategy.
func (s *strategy) Restorer(target string) (providers.Restorer, error) {
	to, err := s.Home.Restorer(target)
	if err != nil {
		return nil, err
	}
	return restorer{to, s}, nil
}

// restorer restores from copies if the snapshots are gone.
type restorer struct {
	providers.Restorer

	from *strategy
}

// Unwrap leads to what the inner restorer can do besides.
func (r restorer) Unwrap() providers.Restorer { return r.Restorer }

// copies are those that are to be used; none if the snapshots are there, or an archive
// has unpacked the home.
func (r restorer) copies(ctx context.Context, a providers.Artifact) (aws.Copied, error) {
	var out aws.Copied
	if a.Ref[aws.RefCopies] == "" || a.Copied || a.Dir() != "" {
		return out, nil
	}
	if _, err := r.from.SetOf(ctx, a); err == nil || ctx.Err() != nil {
		return out, err
	}
	err := json.Unmarshal([]byte(a.Ref[aws.RefCopies]), &out)
	if err == nil && len(out.Copies) == 0 {
		err = errors.New("there are none")
	}
	if err != nil {
		return out, problem.Wrapf(err, "backup does not say where its copies are", "restore another backup", "%s", a.Address)
	}
	return out, nil
}

// Check implements providers.Restorer.
func (r restorer) Check(ctx context.Context, a providers.Artifact) (providers.Report, error) {
	c, err := r.copies(ctx, a)
	if err != nil || len(c.Copies) == 0 {
		return r.checked(ctx, a, err)
	}
	from := aws.New(c.Access)
	region, err := from.Region(ctx)
	if err != nil {
		return r.checked(ctx, a, err)
	}
	there, err := from.Copies(ctx, aws.Volumes)
	if err != nil {
		return r.checked(ctx, a, err)
	}
	for _, o := range c.Copies {
		if !slices.ContainsFunc(there, func(one aws.Copy) bool { return one.ID == o.ID && one.State == aws.Ready }) {
			return r.checked(ctx, a, problem.New(missing, o.ID+", the copy in "+region+", is not there any more", "restore another backup"))
		}
	}
	done, err := r.from.storage.use(a, c.Copies, true)
	if err != nil {
		return r.checked(ctx, a, err)
	}
	defer done()
	report, err := r.Restorer.Check(ctx, a)
	if report.Does != nil {
		report.Does[providers.Restore] = fmt.Sprintf("copy the snapshots back from %s for the time, and %s", region, report.Does[providers.Restore])
	}
	return report, err
}

// checked is the inner check, with what is wrong with the copies.
func (r restorer) checked(ctx context.Context, a providers.Artifact, wrong error) (providers.Report, error) {
	var p *problem.Problem
	if wrong != nil && !errors.As(wrong, &p) {
		return providers.Report{}, wrong
	}
	report, err := r.Restorer.Check(ctx, a)
	if p != nil {
		report.Add(p)
	}
	return report, err
}

// Restore implements providers.Restorer.
func (r restorer) Restore(ctx context.Context, a providers.Artifact) (err error) {
	c, err := r.copies(ctx, a)
	if err != nil {
		return err
	}
	if len(c.Copies) == 0 {
		return r.Restorer.Restore(ctx, a)
	}
	s := r.from.storage
	lock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	here, drop, err := s.back().Bring(ctx, providers.BackupID(a.Ref["backup"]), c)
	defer func() { err = errors.Join(err, drop()) }()
	if err != nil {
		return err
	}
	var brought []aws.Original
	for i, one := range here {
		brought = append(brought, aws.Original{ID: one.ID, Of: c.Copies[i].Of})
	}
	done, err := s.use(a, brought, false)
	if err != nil {
		return err
	}
	defer done()
	return r.Restorer.Restore(ctx, a)
}

func (s *storage) back() aws.Back {
	return aws.Back{To: s.aws, Part: s.env.Address, Maker: s.owner, WorkDir: s.env.WorkDir, VolumeKey: s.config.Restore.KMSKeyID, Warn: s.env.Warning}
}

// use lets Sets have these snapshots for an artifact until done is called.
func (s *storage) use(a providers.Artifact, snapshots []aws.Original, abroad bool) (done func(), err error) {
	tag, volumes, err := snapshot.Captured(a)
	if err != nil {
		return nil, err
	}
	set := snapshot.Set{Tag: tag}
	for _, v := range volumes {
		i := slices.IndexFunc(snapshots, func(o aws.Original) bool { return o.Of == v.ID })
		if i < 0 {
			return nil, problem.New(missing, "there is no copy of "+v.Name, "restore another backup")
		}
		set.Snapshots = append(set.Snapshots, snapshot.Snapshot{Volume: v, ID: snapshots[i].ID, Name: snapshots[i].ID, At: a.PointInTime})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.instead, s.abroad = &set, abroad
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.instead, s.abroad = nil, false
	}, nil
}

// replaced are the sets, with the one that a restore uses.
func (s *storage) replaced(sets []snapshot.Set) []snapshot.Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.instead == nil {
		return sets
	}
	sets = slices.DeleteFunc(sets, func(one snapshot.Set) bool { return one.Tag == s.instead.Tag })
	return append(sets, *s.instead)
}

func (s *storage) isAbroad() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.abroad
}

package elasticsearch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/elasticsearch/internal/api"
)

// Keys of an artifact's Ref.
const (
	refRepository = "repository"
	refSnapshot   = "snapshot"
)

// patience is how long Finish waits for a server that does not answer: it may be
// restarted, and then says what became of the snapshot.
const patience = 5 * time.Minute

// nameOf is the snapshot's name. Servers take small letters only; the metadata have
// the id as it is.
func nameOf(b providers.BackupID) string { return strings.ToLower(string(b)) }

// Keys of the metadata of our snapshots.
const (
	noteBackup  = "bkp"
	noteAddress = "bkp_address"
	noteURL     = "bkp_url"
	// noteRun distinguishes attempts at the same name.
	noteRun = "bkp_run"
)

// notes are the metadata of the snapshot of b.
func (x *Index) notes(b providers.BackupID) map[string]string {
	return map[string]string{noteBackup: string(b), noteAddress: x.env.Address, noteURL: x.env.Instance.URL}
}

// owns reports whether a snapshot is that of b, made by this component.
func (x *Index) owns(s api.Snapshot, b providers.BackupID) bool {
	return s.Note(noteBackup) == string(b) && s.Note(noteAddress) == x.env.Address && s.Note(noteURL) == x.env.Instance.URL
}

// Capture begins the snapshot, and returns when every shard has begun: what is
// written from then on is not in it.
func (x *Index) Capture(ctx context.Context, b providers.BackupID) (providers.Artifact, error) {
	a := providers.Artifact{Address: x.env.Address, Strategy: x.name, Life: providers.Pending, Ref: map[string]string{refRepository: x.cfg.Repository, refSnapshot: nameOf(b)}}
	err := x.capture(ctx, b, &a)
	switch {
	case ctx.Err() != nil:
		return providers.Artifact{}, context.Cause(ctx)
	case err == nil:
		return a, nil
	case x.cfg.Required:
		return providers.Artifact{}, err
	}
	return x.leftOut(a, err), nil
}

func (x *Index) capture(ctx context.Context, b providers.BackupID, a *providers.Artifact) error {
	c, err := x.api()
	if err != nil {
		return err
	}
	found, err := x.indices(ctx, c)
	if err != nil {
		return err
	}
	order := api.Order{Metadata: x.notes(b)}
	order.Metadata[noteRun] = rand.Text()
	for _, i := range found {
		order.Indices = append(order.Indices, i.Name)
	}
	if err := x.begin(ctx, c, nameOf(b), order); err != nil {
		return err
	}
	if err := begun(ctx, c, x.cfg.Repository, nameOf(b)); err != nil {
		return err
	}
	a.PointInTime = time.Now().UTC()
	a.Facts = map[string]string{factIndices: strings.Join(order.Indices, ",")}
	return nil
}

// begin asks for the snapshot until the server takes the order: an old one takes it
// when it has nothing else to do. The lock's budget ends ctx.
func (x *Index) begin(ctx context.Context, c *api.Client, name string, o api.Order) error {
	var none *api.NoAnswer
	for {
		err := c.Begin(ctx, x.cfg.Repository, name, o)
		if api.IsTaken(err) || errors.As(err, &none) {
			// An answer that was lost on the way: the snapshot may be ours.
			s, errFind := c.Snapshot(ctx, x.cfg.Repository, name)
			if errFind == nil && s.Note(noteRun) == o.Metadata[noteRun] {
				return nil
			}
		}
		if !api.IsBusy(err) {
			return err
		}
		if err := pause(ctx, api.Poll); err != nil {
			return err
		}
	}
}

// begun waits until no shard's turn is still to come.
func begun(ctx context.Context, c *api.Client, repository, name string) error {
	for {
		p, err := c.Progress(ctx, repository, name)
		switch {
		case api.IsMissing(err):
			return gone(err, name)
		case err != nil:
			return err
		case p.Failed > 0:
			return problem.New("snapshot of the search index failed", fmt.Sprintf("%d of %d shards failed at the beginning of %s", p.Failed, p.Total, name), "look into the log of the search server")
		case p.State == string(api.Success), p.Total > 0 && p.Waiting == 0:
			return nil
		}
		if err := pause(ctx, api.Poll); err != nil {
			return err
		}
	}
}

// pause waits for d, or for the end of ctx, which is then the error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// gone is about a snapshot that the server had taken.
func gone(err error, name string) error {
	return problem.Wrapf(err, "snapshot of the search index is gone", "see whether the search server was restarted meanwhile, or somebody deleted the snapshot. This backup cannot be finished: discard it, and make another one", "the server had begun %s, and does not have it any more", name)
}

// factLeftOut says why the index is not in the backup.
const factLeftOut = "left out"

// leftOut says that the backup has no index. What was begun of it is discarded with
// all else that no archive holds.
func (x *Index) leftOut(a providers.Artifact, cause error) providers.Artifact {
	x.env.Warning("the search index is left out of the backup, and Bitbucket builds it anew after a restore: " + cause.Error())
	a.Life, a.Ref, a.Facts = providers.External, nil, map[string]string{factLeftOut: cause.Error()}
	if a.PointInTime.IsZero() {
		a.PointInTime = time.Now().UTC()
	}
	return a
}

// asProblem is err in the form of a finding.
func asProblem(err error) *problem.Problem {
	var p *problem.Problem
	if errors.As(err, &p) {
		return p
	}
	return problem.Wrap(err, "search server cannot be used", "look into the log of the search server")
}

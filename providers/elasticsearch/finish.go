package elasticsearch

import (
	"context"
	"fmt"
	"strings"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/elasticsearch/internal/api"
)

// Finish waits until the server has written the snapshot.
func (x *Index) Finish(ctx context.Context, a providers.Artifact) (providers.Artifact, error) {
	if a.Life != providers.Pending {
		return a, nil // left out
	}
	c, err := x.api()
	if err != nil {
		return a, err
	}
	done, err := x.written(ctx, c, a.Ref[refRepository], a.Ref[refSnapshot])
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return a, context.Cause(ctx)
	case x.cfg.Required || api.IsPassing(err):
		return a, err
	default:
		return x.leftOut(a, err), nil
	}
	info, err := c.Info(ctx)
	if err != nil {
		return a, err
	}
	a.Life = providers.Native
	a.Facts = map[string]string{
		factIndices: strings.Join(done.Indices, ","), factCluster: info.Cluster, factDistribution: info.Distribution, factVersion: info.Version,
	}
	return a, nil
}

// written waits for the end of a snapshot. A server that does not answer for a while
// is asked again.
func (x *Index) written(ctx context.Context, c *api.Client, repository, name string) (api.Snapshot, error) {
	var silent time.Time
	for {
		s, err := c.Snapshot(ctx, repository, name)
		switch {
		case api.IsMissing(err):
			return s, gone(err, name)
		case err == nil && s.State != api.InProgress:
			return s, ended(s)
		case err == nil:
			silent = time.Time{}
			x.progress(ctx, c, repository, name)
		case ctx.Err() != nil || !api.IsPassing(err):
			return s, err
		case silent.IsZero():
			silent = time.Now()
		case time.Since(silent) > patience:
			return s, err
		}
		if err := pause(ctx, 5*api.Poll); err != nil {
			return s, err
		}
	}
}

// ended returns what is wrong with a snapshot that has ended.
func ended(s api.Snapshot) error {
	fault := s.Fault()
	if fault == "" {
		return nil
	}
	return problem.New("snapshot of the search index is not whole", s.Name+": "+fault,
		"look into the log of the search server. This backup cannot be finished: discard it, and make another one; with required = false in the elasticsearch block it is finished without the index")
}

// progress reports how far the server is. It is of no consequence if that is not known.
func (x *Index) progress(ctx context.Context, c *api.Client, repository, name string) {
	if p, err := c.Progress(ctx, repository, name); err == nil {
		x.env.Report(providers.Progress{Bytes: p.Bytes, TotalBytes: p.TotalBytes})
	}
}

// notFound is an error about a backup that the repository does not have.
func notFound(b providers.BackupID) error { return fmt.Errorf("%w: %s", providers.ErrNotFound, b) }

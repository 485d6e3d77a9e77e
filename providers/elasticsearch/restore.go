package elasticsearch

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/elasticsearch/internal/api"
)

// Restorer implements providers.Strategy. Indices go to where the configuration has
// the server.
func (x *Index) Restorer(target string) (providers.Restorer, error) {
	if target != "" {
		return nil, fmt.Errorf("%s is restored by its search server: %w", x.env.Address, providers.ErrElsewhere)
	}
	return restorer{Index: x}, nil
}

type restorer struct {
	providers.BaseRestorer
	*Index
}

// howToRebuild is what makes Bitbucket index everything again.
func (x *Index) howToRebuild() string {
	return fmt.Sprintf("Bitbucket builds its search index anew: before it is started, delete what is there of %s on the search server. Until that has ended, search finds little and project pages may lack repositories; docs/guides/search.md says how to watch it", x.cfg.Index)
}

// skips says why nothing of a is restored; "" if it is.
func (x *Index) skips(a providers.Artifact) string {
	switch {
	case a.Life == providers.External:
		return "the backup has no search index"
	case x.cfg.Rebuild:
		return "rebuild is set"
	}
	return ""
}

// Check implements providers.Restorer.
func (r restorer) Check(ctx context.Context, a providers.Artifact) (providers.Report, error) {
	if why := r.skips(a); why != "" {
		out := providers.Report{Does: map[providers.Verb]string{providers.Restore: "restore no search index: " + why}}
		out.Add(problem.Warn("search index is not restored", why, r.howToRebuild()))
		return out, nil
	}
	indices := strings.Split(a.Facts[factIndices], ",")
	out := providers.Report{Does: map[providers.Verb]string{
		providers.Restore: fmt.Sprintf("restore %s from snapshot %s", number(len(indices)), a.Ref[refSnapshot]),
	}}
	err := r.look(ctx, a, &out)
	if ctx.Err() != nil {
		return out, context.Cause(ctx)
	}
	if err != nil {
		out.Add(asProblem(err))
	}
	return out, nil
}

func (r restorer) look(ctx context.Context, a providers.Artifact, out *providers.Report) error {
	c, err := r.api()
	if err != nil {
		return err
	}
	info, err := c.Info(ctx)
	if err != nil {
		return err
	}
	out.Facts = map[string]string{factCluster: info.Cluster}
	if err := readable(a, info); err != nil {
		return err
	}
	if err := r.vacant(ctx, c, a); err != nil {
		return err
	}
	s, err := c.Snapshot(ctx, a.Ref[refRepository], a.Ref[refSnapshot])
	if api.IsUnregistered(err) && r.cfg.Register {
		out.Add(problem.Warn("snapshot repository is not proven", fmt.Sprintf("%s is not registered with %s; the restore registers it, and finds then whether it has the snapshot", a.Ref[refRepository], c.URL()),
			"nothing, if every node can read "+r.store.words()))
		return nil
	}
	if err != nil {
		return err
	}
	return ended(s)
}

// readable refuses a server that is older than the snapshot.
func readable(a providers.Artifact, info api.Info) error {
	have, need := major(info.Version), major(a.Facts[factVersion])
	if have == 0 || need == 0 || info.Distribution != a.Facts[factDistribution] || have >= need {
		return nil // the server itself knows what it can read
	}
	return problem.New("search server is older than the snapshot", fmt.Sprintf("the snapshot is of %s %s, and the server is %s", a.Facts[factDistribution], a.Facts[factVersion], info.Version),
		"restore with a server of that version or the next major one, or let Bitbucket build the index anew: rebuild = true")
}

// major is the first number of a version, 0 if it has none.
func major(version string) int {
	text, _, _ := strings.Cut(version, ".")
	n, _ := strconv.Atoi(text)
	return n
}

// vacant refuses a server that has an index of Bitbucket: some of the backup's and
// some of today would contradict each other.
func (r restorer) vacant(ctx context.Context, c *api.Client, a providers.Artifact) error {
	found, err := c.Indices(ctx, r.cfg.Index)
	if err != nil {
		return err
	}
	for _, name := range strings.Split(a.Facts[factIndices], ",") {
		more, err := c.Indices(ctx, name)
		if err != nil {
			return err
		}
		found = append(found, more...)
	}
	if len(found) == 0 {
		return nil
	}
	return problem.New("search index is not empty", fmt.Sprintf("%s has %s; all indices are restored together, or none", c.URL(), found[0].Name),
		"stop Bitbucket, and delete its indices if nobody needs them; bkp never deletes one that it did not restore:\n\n    curl -X DELETE "+c.URL()+"/"+found[0].Name+"\n")
}

// Restore implements providers.Restorer.
func (r restorer) Restore(ctx context.Context, a providers.Artifact) error {
	if why := r.skips(a); why != "" {
		r.env.Warning("no search index was restored: " + why + ". " + r.howToRebuild())
		return nil
	}
	err := r.restore(ctx, a)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (r restorer) restore(ctx context.Context, a providers.Artifact) error {
	c, err := r.api()
	if err != nil {
		return err
	}
	info, err := c.Info(ctx)
	if err != nil {
		return err
	}
	if err := r.vacant(ctx, c, a); err != nil {
		return err
	}
	// Another cluster must not write where the one of the backup does.
	if err := r.ensureRegistered(ctx, c, info.Cluster != a.Facts[factCluster]); err != nil {
		return err
	}
	s, err := c.Snapshot(ctx, a.Ref[refRepository], a.Ref[refSnapshot])
	if err == nil {
		err = ended(s)
	}
	if err != nil {
		return err
	}
	err = c.Restore(ctx, a.Ref[refRepository], s.Name, s.Indices)
	if err != nil && !api.IsPassing(err) {
		return err // nothing was begun
	}
	if err == nil {
		err = r.restored(ctx, c, s)
	}
	if err == nil {
		return nil
	}
	return r.undo(ctx, c, s, err)
}

// undoTimeout is how long the server may take to delete what was restored in part.
const undoTimeout = time.Minute

// undo deletes what was restored in part: there was none of it before.
func (r restorer) undo(ctx context.Context, c *api.Client, s api.Snapshot, cause error) error {
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if err := c.DeleteIndices(clean, s.Indices); err != nil {
		return problem.Wrapf(cause, "search index was restored in part", "delete what is there of "+strings.Join(s.Indices, ", ")+", and restore again", "it cannot be removed again (%v)", err)
	}
	return cause
}

// restored waits until every primary shard is there again.
func (r restorer) restored(ctx context.Context, c *api.Client, s api.Snapshot) error {
	var silent time.Time
	for {
		shards, err := c.Primaries(ctx, s.Indices)
		switch {
		case err == nil:
			silent = time.Time{}
			there, failed := count(shards)
			if failed != "" {
				return problem.New("search index cannot be restored", failed, "look into the log of the search server, and whether all nodes can read the repository")
			}
			if there >= s.Shards.Total && there == len(shards) {
				return nil
			}
		case ctx.Err() != nil || !api.IsPassing(err):
			return err
		case silent.IsZero():
			silent = time.Now()
		case time.Since(silent) > patience:
			return err
		}
		if done, total, err := c.Recovered(ctx, s.Indices); err == nil {
			r.env.Report(providers.Progress{Bytes: done, TotalBytes: total})
		}
		if err := pause(ctx, 5*api.Poll); err != nil {
			return err
		}
	}
}

// count is how many shards are there, and what the server says of one that it gave up.
func count(shards []api.Shard) (there int, failed string) {
	for _, s := range shards {
		switch {
		case s.State == "STARTED" || s.State == "RELOCATING":
			there++
		case s.State == "UNASSIGNED" && strings.HasPrefix(s.Reason, "ALLOCATION_FAILED"):
			failed = s.Index + ": " + s.Reason
		}
	}
	return there, failed
}

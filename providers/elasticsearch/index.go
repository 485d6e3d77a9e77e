package elasticsearch

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/dustin/go-humanize"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/elasticsearch/internal/api"
)

// Facts of a report and of an artifact.
const (
	factCluster      = "cluster"
	factServer       = "server"
	factRepository   = "repository"
	factDistribution = "distribution"
	factVersion      = "version"
	factIndices      = "indices"
)

// Index is a strategy that captures the search index in a snapshot of the server.
type Index struct {
	providers.Base

	name  string
	login Login
	cfg   Config
	store Store
	env   providers.Env

	// expected is the cluster of the plan, "" for any.
	expected string

	mu     sync.Mutex
	client *api.Client
}

var (
	_ providers.Keeper  = (*Index)(nil)
	_ providers.Derived = (*Index)(nil)
)

// New makes the strategy that is called name, such as elasticsearch "fs". It touches
// nothing.
func New(name string, login Login, cfg Config, store Store, env providers.Env) *Index {
	return &Index{name: name, login: login, cfg: cfg, store: store, env: env}
}

// Options are those of every definition of the kind.
func Options() []providers.Option {
	return []providers.Option{providers.Does(providers.Prepare, providers.Finish), providers.Yields(providers.Native)}
}

// Derived implements providers.Derived.
func (x *Index) Derived() string {
	return "the search index is not restored on trial; if it were lost, Bitbucket would build it anew"
}

// api opens the connection once.
func (x *Index) api() (*api.Client, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.client != nil {
		return x.client, nil
	}
	cfg, err := x.access()
	if err != nil {
		return nil, err
	}
	x.client, err = api.New(cfg)
	return x.client, err
}

// Check implements providers.Strategy.
func (x *Index) Check(ctx context.Context) (providers.Report, error) {
	r := providers.Report{Does: map[providers.Verb]string{
		providers.Prepare: "see that the search server can take snapshots",
		providers.Capture: "begin a snapshot of the search index",
		providers.Finish:  "wait until the search server has written it",
	}}
	err := x.look(ctx, &r)
	if ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	if err != nil {
		r.Add(x.tolerated(asProblem(err)))
	}
	return r, nil
}

// tolerated makes a warning of a problem if the index may be left out.
func (x *Index) tolerated(p *problem.Problem) *problem.Problem {
	if x.cfg.Required {
		return p
	}
	out := *p
	out.Severity = problem.Warning
	out.Detail += "; the index is not required, so the backup is made without it"
	return &out
}

func (x *Index) look(ctx context.Context, r *providers.Report) error {
	c, err := x.api()
	if err != nil {
		return err
	}
	info, err := c.Info(ctx)
	if err != nil {
		return err
	}
	r.Facts = map[string]string{
		factCluster: info.Cluster, factServer: info.Distribution + " " + info.Version,
		factRepository: strings.TrimSpace(x.cfg.Repository + " " + x.store.words()),
	}
	found, err := x.indices(ctx, c)
	if err != nil {
		return err
	}
	var bytes int64
	for _, i := range found {
		bytes += i.Bytes
	}
	r.Does[providers.Capture] = fmt.Sprintf("begin a snapshot of %s, %s, in repository %s of %s %s", number(len(found)), humanize.IBytes(uint64(max(bytes, 0))), x.cfg.Repository, info.Distribution, info.Version)
	return x.checkRepository(ctx, c, r)
}

// number is a count of indices in words.
func number(n int) string {
	if n == 1 {
		return "1 index"
	}
	return fmt.Sprintf("%d indices", n)
}

// indices are those to capture: at least one, and all of them able to be.
func (x *Index) indices(ctx context.Context, c *api.Client) ([]api.Index, error) {
	found, err := c.Indices(ctx, x.cfg.Index)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, problem.New("no index to capture", fmt.Sprintf("%s has no index that %s matches", c.URL(), x.cfg.Index),
			"look whether url is that of Bitbucket's search server, and how its indices are called: GET _cat/indices. If Bitbucket has not indexed anything yet, wait until it has")
	}
	for _, i := range found {
		if i.Red {
			return nil, problem.New("index has no primary shard", i.Name+" of "+c.URL()+" is red: a part of it is on no node",
				"look why, with GET _cluster/allocation/explain; Bitbucket cannot search in it either. If it is lost, let Bitbucket build the index anew")
		}
	}
	return found, nil
}

// Expect implements providers.Strategy.
func (x *Index) Expect(facts map[string]string) { x.expected = facts[factCluster] }

// Prepare registers the repository, if that is declared, and sees that this is the
// cluster of the plan.
func (x *Index) Prepare(ctx context.Context, _ providers.BackupID) error {
	err := x.prepare(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil || x.cfg.Required {
		return err
	}
	x.env.Warning("the search index will be left out of the backup: " + err.Error())
	return nil
}

func (x *Index) prepare(ctx context.Context) error {
	c, err := x.api()
	if err != nil {
		return err
	}
	info, err := c.Info(ctx)
	if err != nil {
		return err
	}
	if x.expected != "" && info.Cluster != x.expected {
		return problem.New("search server is another cluster", fmt.Sprintf("%s is cluster %s, and the plan was made with %s", c.URL(), info.Cluster, x.expected), "see which one url leads to, and make a new plan")
	}
	if err := x.ensureRegistered(ctx, c, false); err != nil {
		return err
	}
	have, err := c.Repository(ctx, x.cfg.Repository)
	if err != nil {
		return err
	}
	return x.usable(c, have)
}

// Warm opens the connection again, so that the lock does not wait for it.
func (x *Index) Warm(ctx context.Context) error {
	c, err := x.api()
	if err == nil {
		_, err = x.indices(ctx, c)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil && !x.cfg.Required {
		return nil // Capture reports it
	}
	return err
}

// Discard deletes the snapshot of b, which ends one that runs.
func (x *Index) Discard(ctx context.Context, b providers.BackupID) error {
	c, err := x.api()
	if err != nil {
		return err
	}
	s, err := c.Snapshot(ctx, x.cfg.Repository, nameOf(b))
	switch {
	case api.IsMissing(err), api.IsUnregistered(err):
		return nil
	case err != nil:
		return err
	case !x.owns(s, b):
		return nil // another's that happens to have the name
	}
	if _, err := c.Snapshot(ctx, x.cfg.Repository, markOf(b)); !api.IsMissing(err) {
		return err // it was kept, or that is not known
	}
	return c.Delete(ctx, x.cfg.Repository, nameOf(b))
}

// Close implements providers.Strategy.
func (x *Index) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.client != nil {
		x.client.Close()
	}
	return nil
}

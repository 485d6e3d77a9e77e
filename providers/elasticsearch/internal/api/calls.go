package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Info identifies a server.
type Info struct {
	// Cluster stays the same as long as the cluster lives.
	Cluster string
	// Distribution is opensearch or elasticsearch.
	Distribution string
	Version      string
}

// Info asks which server it is.
func (c *Client) Info(ctx context.Context) (Info, error) {
	var answer struct {
		Cluster string `json:"cluster_uuid"`
		Version struct{ Number, Distribution string }
	}
	if err := c.get(ctx, "/", nil, &answer); err != nil {
		return Info{}, err
	}
	out := Info{Cluster: answer.Cluster, Distribution: answer.Version.Distribution, Version: answer.Version.Number}
	if out.Distribution == "" {
		out.Distribution = "elasticsearch"
	}
	return out, nil
}

// Index is one index.
type Index struct {
	Name string
	// Red is set if a primary shard is not assigned.
	Red bool
	// Bytes of its primary shards, 0 if it is closed.
	Bytes int64
	// Primaries is how many shards it has, without copies.
	Primaries int
}

// Indices are those that a pattern matches, closed ones too; none without an error.
func (c *Client) Indices(ctx context.Context, pattern string) ([]Index, error) {
	var answer []struct {
		Index, Health, Pri string
		Store              string `json:"pri.store.size"`
	}
	q := url.Values{"format": {"json"}, "bytes": {"b"}, "h": {"index,health,pri,pri.store.size"}, "s": {"index"}, "expand_wildcards": {"open,closed"}}
	err := c.get(ctx, "/_cat/indices/"+url.PathEscape(pattern), q, &answer)
	if IsNoIndex(err) {
		return nil, nil
	}
	var out []Index
	for _, a := range answer {
		bytes, _ := strconv.ParseInt(a.Store, 10, 64) // closed indices have none
		primaries, _ := strconv.Atoi(a.Pri)
		out = append(out, Index{Name: a.Index, Red: a.Health == "red", Bytes: bytes, Primaries: primaries})
	}
	return out, err
}

// Repository is where a cluster keeps snapshots.
type Repository struct {
	Type     string            `json:"type"`
	Settings map[string]string `json:"settings"`
}

// Repository returns the repository of a name; see IsUnregistered.
func (c *Client) Repository(ctx context.Context, name string) (Repository, error) {
	var answer map[string]Repository
	err := c.get(ctx, repositoryPath(name), nil, &answer)
	return answer[name], err
}

// Register makes a repository known to the cluster, and lets every node write to it.
// One of the same name gets the new settings.
func (c *Client) Register(ctx context.Context, name string, r Repository) error {
	return c.do(ctx, c.once, call{method: http.MethodPut, path: repositoryPath(name), body: r}, nil)
}

// VerifyRepository lets every node write to the repository, and remove what it wrote. It
// returns how many nodes did.
func (c *Client) VerifyRepository(ctx context.Context, name string) (nodes int, err error) {
	var answer struct{ Nodes map[string]any }
	err = c.do(ctx, c.once, call{method: http.MethodPost, path: repositoryPath(name) + "/_verify"}, &answer)
	return len(answer.Nodes), err
}

func repositoryPath(name string) string { return "/_snapshot/" + url.PathEscape(name) }

func snapshotPath(repository, name string) string {
	return repositoryPath(repository) + "/" + url.PathEscape(name)
}

// State is that of a snapshot.
type State string

// The states of a snapshot.
const (
	InProgress State = "IN_PROGRESS"
	Success    State = "SUCCESS"
	Partial    State = "PARTIAL"
	Failed     State = "FAILED"
)

// Snapshot is one snapshot in a repository.
type Snapshot struct {
	Name    string   `json:"snapshot"`
	State   State    `json:"state"`
	Version string   `json:"version"`
	Indices []string `json:"indices"`
	// Metadata are of any form: others make snapshots, too.
	Metadata map[string]any `json:"metadata"`
	Reason   string         `json:"reason"`
	Failures []struct {
		Index  string `json:"index"`
		Shard  int    `json:"shard_id"`
		Reason string `json:"reason"`
	} `json:"failures"`
	Shards struct{ Total, Failed, Successful int } `json:"shards"`
}

// Snapshot returns one; see IsMissing.
func (c *Client) Snapshot(ctx context.Context, repository, name string) (Snapshot, error) {
	var answer struct{ Snapshots []Snapshot }
	if err := c.get(ctx, snapshotPath(repository, name), nil, &answer); err != nil {
		return Snapshot{}, err
	}
	if len(answer.Snapshots) != 1 {
		return Snapshot{}, explain(c.base, &Fault{Method: http.MethodGet, Path: snapshotPath(repository, name), Status: http.StatusNotFound,
			Type: "snapshot_missing_exception", Reason: "the answer names " + strconv.Itoa(len(answer.Snapshots)) + " snapshots"})
	}
	return answer.Snapshots[0], nil
}

// Snapshots are all whose names match a pattern.
func (c *Client) Snapshots(ctx context.Context, repository, pattern string) ([]Snapshot, error) {
	var answer struct{ Snapshots []Snapshot }
	err := c.get(ctx, snapshotPath(repository, pattern), url.Values{"ignore_unavailable": {"true"}}, &answer)
	if IsMissing(err) {
		return nil, nil
	}
	return answer.Snapshots, err
}

// Note is a text in the snapshot's metadata, "" if it has no such text.
func (s Snapshot) Note(name string) string {
	text, _ := s.Metadata[name].(string)
	return text
}

// Fault says what is wrong with a snapshot that has ended; "" for one that is whole.
func (s Snapshot) Fault() string {
	if s.State == Success && s.Shards.Failed == 0 && len(s.Failures) == 0 {
		return ""
	}
	said := []string{"it ended as " + string(s.State)}
	if s.Reason != "" {
		said = append(said, s.Reason)
	}
	for _, f := range s.Failures {
		said = append(said, f.Index+"["+strconv.Itoa(f.Shard)+"]: "+f.Reason)
	}
	return shorten(strings.Join(said, "; "))
}

// Order is what a new snapshot is to hold.
type Order struct {
	// Indices by name or pattern.
	Indices []string
	// Metadata are at most 1024 bytes as JSON.
	Metadata map[string]string
	// Lenient takes a pattern that matches nothing, and waits for the end.
	Lenient bool
}

// Begin begins a snapshot, and does not wait for it: from then on the server works on
// the state of the moment in which each shard begins. Without an answer (NoAnswer) it
// may have begun. A Lenient order returns at the end of the snapshot.
func (c *Client) Begin(ctx context.Context, repository, name string, o Order) error {
	r := call{method: http.MethodPut, path: snapshotPath(repository, name), body: map[string]any{
		"indices": strings.Join(o.Indices, ","), "ignore_unavailable": o.Lenient, "include_global_state": false, "partial": false, "metadata": o.Metadata,
	}}
	if o.Lenient {
		r.query = url.Values{"wait_for_completion": {"true"}}
	}
	return c.do(ctx, c.once, r, nil)
}

// Progress is how far a snapshot has come.
type Progress struct {
	// Waiting shards have not begun: their instant is still to come.
	Waiting, Failed, Total int
	// Bytes that were copied, of TotalBytes.
	Bytes, TotalBytes int64
	// State is as the server names it, SUCCESS at the end.
	State string
}

// Progress of a snapshot; see IsMissing.
func (c *Client) Progress(ctx context.Context, repository, name string) (Progress, error) {
	type size struct {
		Bytes int64 `json:"size_in_bytes"`
	}
	var answer struct {
		Snapshots []struct {
			State  string
			Shards struct{ Initializing, Failed, Total int } `json:"shards_stats"`
			Stats  struct{ Incremental, Processed size }
		}
	}
	if err := c.get(ctx, snapshotPath(repository, name)+"/_status", nil, &answer); err != nil {
		return Progress{}, err
	}
	if len(answer.Snapshots) != 1 {
		return Progress{}, explain(c.base, &Fault{Method: http.MethodGet, Path: snapshotPath(repository, name) + "/_status", Status: http.StatusNotFound,
			Type: "snapshot_missing_exception", Reason: "the answer names no snapshot"})
	}
	s := answer.Snapshots[0]
	return Progress{
		Waiting: s.Shards.Initializing, Failed: s.Shards.Failed, Total: s.Shards.Total, State: s.State,
		Bytes: s.Stats.Processed.Bytes, TotalBytes: s.Stats.Incremental.Bytes,
	}, nil
}

// Delete removes snapshots, and ends those that run; ones that are not there are of no
// interest.
func (c *Client) Delete(ctx context.Context, repository string, name string) error {
	err := c.do(ctx, c.once, call{method: http.MethodDelete, path: snapshotPath(repository, name)}, nil)
	if IsMissing(err) {
		return nil
	}
	return err
}

// Restore begins to restore indices of a snapshot, and does not wait.
func (c *Client) Restore(ctx context.Context, repository, name string, indices []string) error {
	return c.do(ctx, c.once, call{method: http.MethodPost, path: snapshotPath(repository, name) + "/_restore", body: map[string]any{
		"indices": strings.Join(indices, ","), "ignore_unavailable": false, "include_global_state": false, "include_aliases": true, "partial": false,
	}}, nil)
}

// Shard is a primary shard of an index.
type Shard struct {
	Index, State string
	// Reason says why it is not assigned.
	Reason string
}

// Primaries are the primary shards of indices.
func (c *Client) Primaries(ctx context.Context, indices []string) ([]Shard, error) {
	var answer []struct {
		Index, Prirep, State string
		Reason               string `json:"unassigned.reason"`
		Details              string `json:"unassigned.details"`
	}
	q := url.Values{"format": {"json"}, "h": {"index,prirep,state,unassigned.reason,unassigned.details"}}
	if err := c.get(ctx, "/_cat/shards/"+url.PathEscape(strings.Join(indices, ",")), q, &answer); err != nil {
		return nil, err
	}
	var out []Shard
	for _, a := range answer {
		if a.Prirep == "p" {
			out = append(out, Shard{Index: a.Index, State: a.State, Reason: strings.TrimSpace(a.Reason + " " + a.Details)})
		}
	}
	return out, nil
}

// Recovered is how many bytes of indices were copied back, and of how many.
func (c *Client) Recovered(ctx context.Context, indices []string) (done, total int64, err error) {
	var answer []struct {
		Done  string `json:"bytes_recovered"`
		Total string `json:"bytes_total"`
	}
	q := url.Values{"format": {"json"}, "bytes": {"b"}, "h": {"bytes_recovered,bytes_total"}}
	if err := c.get(ctx, "/_cat/recovery/"+url.PathEscape(strings.Join(indices, ",")), q, &answer); err != nil {
		return 0, 0, err
	}
	for _, a := range answer {
		d, _ := strconv.ParseInt(a.Done, 10, 64) // a shard that has not begun
		t, _ := strconv.ParseInt(a.Total, 10, 64)
		done, total = done+d, total+t
	}
	return done, total, nil
}

// DeleteIndices removes indices; ones that are not there are of no interest.
func (c *Client) DeleteIndices(ctx context.Context, indices []string) error {
	err := c.do(ctx, c.once, call{method: http.MethodDelete, path: "/" + url.PathEscape(strings.Join(indices, ",")), query: url.Values{"ignore_unavailable": {"true"}}}, nil)
	if IsNoIndex(err) {
		return nil
	}
	return err
}

// Poll is how often a state is asked for.
const Poll = 100 * time.Millisecond

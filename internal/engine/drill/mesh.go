package drill

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"bkp/internal/engine/restore"
	"bkp/internal/host"
	"bkp/providers"
)

// node is a Mesh node whose home is restored.
type node struct {
	part   *restore.Part
	holder providers.RepositoryHolder
	set    providers.RepositorySet
}

// beginNodes leads the Mesh nodes to the scratch folder, each to one of its own.
func (d *drill) beginNodes() error {
	for i := range d.nodes {
		n := &d.nodes[i]
		dir := filepath.Join(d.folder.private(), "nodes", strconv.Itoa(i), "home")
		to, err := n.part.Strategy.Restorer(dir)
		if err != nil {
			return err
		}
		n.holder, _ = to.(providers.RepositoryHolder)
		d.parts = append(d.parts, restore.Part{
			Artifact: n.part.Artifact, Copy: n.part.Copy, Restorer: to, WorkDir: filepath.Join(d.folder.work(), "node", strconv.Itoa(i)), Does: "restore into " + dir,
		})
	}
	return nil
}

// findReplicas looks for the repositories of each node, and returns one of each.
func (d *drill) findReplicas(ctx context.Context) ([]providers.Repository, error) {
	var out []providers.Repository
	seen := map[int64]bool{}
	for i := range d.nodes {
		n := &d.nodes[i]
		set, err := n.holder.Repositories(ctx, n.part.Artifact)
		if host.IsTrouble(err) {
			return nil, notCarriedOut(err)
		}
		if err != nil {
			d.differ("%s: its repositories cannot be found: %v", n.part.Artifact.Address, err)
			continue
		}
		n.set = set
		d.result.Replicas += len(set.Found)
		for _, r := range set.Found {
			if !seen[r.ID] {
				out = append(out, r)
			}
			seen[r.ID] = true
		}
	}
	return out, nil
}

// replicasAgree compares the replicas of each repository: on which nodes they are,
// and the commits of their branches. What a minority has otherwise, Bitbucket
// repairs by itself from version 8.3 on; where no majority agrees, nobody knows what
// the repository holds.
func (d *drill) replicasAgree(ctx context.Context) error {
	holders := d.holdersOf()
	all := map[int64]map[string][]string{} // by repository and state, the nodes
	for i := range d.nodes {
		n := &d.nodes[i]
		address := n.part.Artifact.Address
		for _, r := range n.set.Found {
			state, err := d.refs(ctx, r)
			if err != nil {
				return err
			}
			if all[r.ID] == nil {
				all[r.ID] = map[string][]string{}
			}
			all[r.ID][state] = append(all[r.ID][state], address)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		d.judge(id, all[id], holders[id])
	}
	return nil
}

// holdersOf are the nodes that should have each repository: those that have any of
// its group, because a node has all of a group, or nothing of it.
func (d *drill) holdersOf() map[int64][]string {
	groups, groupOf := map[string][]string{}, map[int64]string{}
	for _, n := range d.nodes {
		for _, r := range n.set.Found {
			groupOf[r.ID] = r.Group
			if address := n.part.Artifact.Address; !slices.Contains(groups[r.Group], address) {
				groups[r.Group] = append(groups[r.Group], address)
			}
		}
	}
	out := map[int64][]string{}
	for id, group := range groupOf {
		out[id] = groups[group]
	}
	return out
}

// judge says of a repository what its replicas differ by. states are the nodes that
// have the same, holders those that should have it.
func (d *drill) judge(id int64, states map[string][]string, holders []string) {
	most, have := []string(nil), 0
	for _, nodes := range states {
		have += len(nodes)
		if len(nodes) > len(most) {
			most = nodes
		}
	}
	say := d.tolerate
	if 2*len(most) <= len(holders) {
		say = d.differ
	}
	if have < len(holders) {
		say("repository %d is on %d of the %d Mesh nodes that have its partition", id, have, len(holders))
	}
	if len(states) > 1 {
		say("repository %d differs between Mesh nodes: %d of %d replicas agree", id, len(most), len(holders))
	}
}

// refs are the branches and tags of a repository with what they point to.
func (d *drill) refs(ctx context.Context, r providers.Repository) (string, error) {
	out, err := d.Host.Output(ctx, host.Command{
		Name: "git", Args: []string{"--git-dir=" + r.Dir, "for-each-ref", "--format=%(refname) %(objectname)"}, Env: gitEnv(),
	})
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if host.IsTrouble(err) {
		return "", notCarriedOut(err)
	}
	if err != nil {
		return "unreadable", nil //nolint:nilerr // git says so of the repository itself, too
	}
	return strings.TrimSpace(out), nil
}

//go:build unix

package home_test

import (
	"slices"
	"testing"

	"bkp/providers/home"
)

func TestRemoveStaleLocks(t *testing.T) {
	var stale, content []string
	for _, repo := range []string{"shared/data/repositories/1/", "repositories/a/b/2/"} {
		for _, name := range []string{
			"HEAD.lock", "config.lock", "index.lock", "gc.pid", "gc.lock", "packed-refs.lock", "stash-packed-refs.pid",
			"packed-refs.new", "stash-packed-refs.new", "shallow.lock", "gc.pid.lock", "gc.log.lock", "config.worktree.lock", "ORIG_HEAD.lock", "AUTO_MERGE.lock", "HEAD~pid.lock",
			"objects/info/commit-graph.lock", "objects/info/commit-graphs/commit-graph-chain.lock", "objects/info/alternates.lock", "objects/info/alternates~pid.lock",
			"objects/pack/multi-pack-index.lock", "objects/pack/multi-pack-index.d/multi-pack-index-chain.lock", "objects/maintenance.lock", "objects/loose-object-idx.lock",
			"reftable/tables.list.lock", "reftable/0x1-0x2-a.ref.lock", "worktrees/w/HEAD.lock", "worktrees/w/index.lock", "worktrees/w/logs/HEAD.lock",
			"refs/heads/main.lock", "refs/x.lock", "stash-refs/pull-requests/1/from.lock", "logs/refs/heads/main.lock",
		} {
			stale = append(stale, repo+name)
		}
		for _, name := range []string{
			"HEAD", "config", "objects/ab/cd.lock", "objects/pack/p.lock", "objects/HEAD.lock", "refs/heads/main",
			"refs/heads/gc.pid", "hooks/x.lock", "other.lock", "info/index.lock", "refs/heads/lock", "logs/HEAD",
			"objects/pack/packed-refs.new", "objects/info/other.lock", "objects/pack/commit-graph.lock", "packed-refs", "heads.lock", "a_HEAD.lock", "worktrees/w/locked", "worktrees/x.lock",
			"reftable/tables.list", "objects/info/alternates", "lfs/objects/ab/cd/index.lock", "hooks/HEAD.lock",
		} {
			content = append(content, repo+name)
		}
	}
	content = append(content, "shared/data/attachments/x.lock", "shared/config/HEAD.lock", "shared/data/repositories/HEAD.lock", "repositories/a/b/refs.lock")
	dir := t.TempDir()
	makeTree(t, dir, slices.Concat(stale, content)...)
	for _, want := range []int{len(stale), 0} {
		got, err := home.RemoveStaleLocks(t.Context(), dir)
		if err != nil || got != want {
			t.Fatalf("removed %d, %v; want %d", got, err, want)
		}
	}
	slices.Sort(content)
	if got := files(t, dir); !slices.Equal(got, content) {
		t.Errorf("left %q\nwant %q", got, content)
	}
}

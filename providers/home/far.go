package home

import (
	"context"
	"path"

	"golang.org/x/sync/errgroup"

	"bkp/internal/host"
	"bkp/providers/home/internal/treesync"
)

// far are the roots that lie on file systems which other machines write to.
func (b *Base) far() []Root {
	var out []Root
	for _, r := range b.Roots() {
		if space, err := (&host.Host{}).Space(r.Path); err == nil && space.Shared != "" {
			out = append(out, r)
		}
	}
	return out
}

// Refresh has the kernel ask for what lies on other machines, so that a tool which
// walks the home next sees what others changed there. A strategy that walks it with
// treesync need not call it.
func (b *Base) Refresh(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, r := range b.far() {
		exclude := r.Part.Rules.Matcher()
		g.Go(func() error {
			return treesync.Refresh(ctx, r.Path, func(rel string) func(string, bool) bool { return exclude(path.Join(r.Rel, rel)) })
		})
	}
	return g.Wait()
}

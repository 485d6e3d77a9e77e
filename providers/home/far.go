package home

import (
	"context"
	"path"
	"slices"

	"golang.org/x/sync/errgroup"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home/internal/treesync"
)

// far are the roots that lie on file systems which other machines write to, but for
// those inside another one.
func (b *Base) far() []Root {
	var out []Root
	for _, r := range b.Roots() {
		inside := func(o Root) bool { return o.Part.Name == r.Part.Name && Within(r.Path, o.Path) }
		if space, err := (&host.Host{}).Space(r.Path); err == nil && space.Shared != "" && !slices.ContainsFunc(out, inside) {
			out = append(out, r)
		}
	}
	return out
}

// describeFar says in the plan how the pass under the lock looks at what lies on other
// machines.
func (b *Base) describeFar(r *providers.Report) {
	far := b.far()
	switch {
	case len(far) == 0:
	case treesync.Asks():
		r.Does[providers.Capture] += "; the file server of " + far[0].Path + " is asked for each of its files, many at a time"
	default:
		r.Add(problem.Warn("file server cannot be asked", far[0].Path+": this kernel is older than Linux 4.11, or the container forbids statx, so that what another machine changes right before the lock may be missed",
			"mount it with actimeo=0, update the system, or capture the home on its file server with on"))
	}
}

// Refresh has the kernel ask for what lies on other machines, so that a tool which
// walks the home next sees what others changed there. A strategy that walks it with
// treesync need not call it.
func (b *Base) Refresh(ctx context.Context) error {
	if !treesync.Asks() {
		return nil // the plan warns of it
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, r := range b.far() {
		exclude := r.Part.Rules.Matcher()
		g.Go(func() error {
			return treesync.Refresh(ctx, r.Path, func(rel string) func(string, bool) bool { return exclude(path.Join(r.Rel, rel)) })
		})
	}
	return g.Wait()
}

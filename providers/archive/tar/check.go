package tar

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

const (
	destinationNotWritable = "archive destination is not writable"
	destinationNoFolder    = "archive destination is not a folder"

	// spaceMargin is added to what an archive is expected to take.
	spaceMargin = 64 << 20
)

// Check implements providers.Archiver.
func (a *archive) Check(ctx context.Context, e providers.Estimate) (providers.Report, error) {
	r := providers.Report{
		Facts:    map[string]string{"destination": a.cfg.Destination},
		Estimate: e,
		Does: map[providers.Verb]string{
			providers.Store:   fmt.Sprintf("write %s (%s)", filepath.Join(a.cfg.Destination, "ID"+formats[a.cfg.Compression].suffix), a.cfg.Compression),
			providers.Restore: "unpack from " + a.cfg.Destination + " and compare all digests",
		},
	}
	existing, err := host.Existing(a.cfg.Destination)
	if err != nil {
		r.Add(problem.Wrap(err, destinationNotWritable, "let the user that runs bkp reach it, or choose another destination"))
		return r, nil
	}
	info, err := os.Stat(existing)
	switch {
	case err != nil:
		return r, err
	case !info.IsDir():
		r.Add(problem.New(destinationNoFolder, existing, "choose a folder"))
		return r, nil
	}
	if err := mayWrite(existing); err != nil {
		r.Add(problem.Wrapf(err, destinationNotWritable, "let the user that runs bkp write there, or choose another destination", "%s", existing))
	}
	need, reason, findings, err := a.expect(ctx, e)
	if err != nil {
		return r, addProblem(&r, err)
	}
	for _, f := range findings {
		r.Add(doubted(f))
	}
	r.Space = append(r.Space, providers.SpaceNeed{Path: a.cfg.Destination, Bytes: need, For: "archive of " + a.env.Address + ", " + reason})
	return r, nil
}

// doubted is what is wrong with an earlier backup as a doubt about the next one,
// which it does not stop: it is a reason for one more, not for none.
func doubted(f providers.Finding) *providers.Finding {
	f.Severity = problem.Warning
	f.Detail += "; the next backup is made all the same, and retention leaves this one alone"
	return &f
}

// expect tells how large the next archive will be: a little more than the
// last one of the instance, or without one as if nothing could be compressed.
func (a *archive) expect(ctx context.Context, e providers.Estimate) (int64, string, []providers.Finding, error) {
	list, findings, err := a.List(ctx)
	if err != nil {
		return 0, "", nil, err
	}
	for _, m := range list {
		if m.Instance == a.env.Instance.Name && len(m.Stored) == 1 && m.Stored[0].Bytes > 0 {
			return m.Stored[0].Bytes/10*11 + spaceMargin, "by the size of the last one", findings, nil
		}
	}
	return e.Bytes + spaceMargin, "at most: before compression", findings, nil
}

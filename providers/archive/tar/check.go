package tar

import (
	"context"
	"fmt"

	"bkp/internal/problem"
	"bkp/providers"
)

// spaceMargin is added to what an archive is expected to take.
const spaceMargin = 64 << 20

// Check implements providers.Archiver.
func (a *archive) Check(ctx context.Context, e providers.Estimate) (providers.Report, error) {
	r, err := a.place.Check(ctx, a.shelf().Claims().Maker())
	if err != nil {
		return r, err
	}
	r.Estimate = e
	at := a.place.Destination()
	how := a.cfg.Compression
	if a.sealer != nil {
		how += ", encrypted with " + a.sealer.Method()
	}
	r.Does = map[providers.Verb]string{
		providers.Store:   fmt.Sprintf("write %s (%s)", a.place.At("ID/*"+a.writes().suffix), how),
		providers.Restore: "unpack from " + at.Name + " and compare all digests",
	}
	if err := a.checkSealer(ctx, &r); err != nil {
		return r, err
	}
	if r.Failed() {
		return r, nil
	}
	need, reason, findings, err := a.expect(ctx, e)
	if err != nil {
		return r, addProblem(&r, err)
	}
	for _, f := range findings {
		r.Add(asWarning(f))
	}
	if at.Folder != "" {
		r.Space = append(r.Space, providers.SpaceNeed{Path: at.Folder, Bytes: need, For: "archive of " + a.env.Address + ", " + reason})
	}
	return r, nil
}

// asWarning makes a warning of what is wrong with an earlier backup. It does not stop
// the next one: it is a reason for one more backup, not for none.
func asWarning(f providers.Finding) *providers.Finding {
	f.Severity = problem.Warning
	f.Detail += "; the next backup is made all the same, and retention leaves this one alone"
	return &f
}

// expect returns how large the next archive will be: a little more than the
// last one of the instance, or without one as if nothing could be compressed.
func (a *archive) expect(ctx context.Context, e providers.Estimate) (int64, string, []providers.Finding, error) {
	list, findings, err := a.List(ctx)
	if err != nil {
		return 0, "", nil, err
	}
	for _, m := range list {
		if size := m.Stored[0].Size(); m.Instance == a.env.Instance.Name && size > 0 {
			return size/10*11 + spaceMargin, "by the size of the last one", findings, nil
		}
	}
	return e.Bytes + spaceMargin, "at most: before compression", findings, nil
}

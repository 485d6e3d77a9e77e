package restic

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/dustin/go-humanize"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

// spaceMargin is added to what a backup is expected to take.
const spaceMargin = 64 << 20

// looksBack is over how many backups the largest is looked for.
const looksBack = 10

// about is what restic says of the repository.
type about struct {
	Version int    `json:"version"`
	ID      string `json:"id"`
}

// reach is how long a repository may take to answer. restic itself tries again for a
// quarter of an hour, which nobody waits for at a plan.
const reach = time.Minute

var errReach = errors.New("the repository did not answer in time")

// config reads what identifies the repository. It fails with codeNone if it
// does not exist.
func (a *archive) config(ctx context.Context) (about, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.reach, errReach)
	defer cancel()
	var c about
	err := a.output(ctx, call{args: []string{"cat", "config"}, reads: true, uncached: true}, &c)
	if errors.Is(err, errReach) {
		err = problem.Wrapf(err, "repository cannot be reached", "check its address, the network and the credentials; the log of the run has what restic says", "%s", a.shown())
	}
	return c, err
}

// Check implements providers.Archiver.
func (a *archive) Check(ctx context.Context, e providers.Estimate) (providers.Report, error) {
	r := providers.Report{Estimate: e, Facts: map[string]string{"repository": a.shown()}}
	r.Does = map[providers.Verb]string{
		providers.Store:   "store what changed in the repository " + a.shown(),
		providers.Restore: "restore from the repository " + a.shown() + ", whose digests restic compares",
	}
	v, err := a.version(ctx)
	if err != nil {
		return r, addProblem(&r, err)
	}
	if v.before(oldest) {
		r.Add(a.tooOld(v))
		return r, nil
	}
	c, err := a.config(ctx)
	if codeOf(err) == codeNone && a.cfg.Init {
		r.Does[providers.Store] = "make the repository " + a.shown() + ", and store everything in it"
		r.Facts["repository id"] = "none yet"
		a.checkNew(&r, e)
		return r, nil
	}
	if err != nil {
		return r, addProblem(&r, err)
	}
	r.Facts["repository id"] = c.ID
	if c.Version < 2 { //nolint:mnd // the format that restic 0.14 brought
		r.Add(problem.Warn("repository has an old format", fmt.Sprintf("%s has format %d, in which restic compresses nothing", a.shown(), c.Version), "bring it to the current format:\n\n    restic migrate upgrade_repo_v2\n"))
	}
	if a.refuses() {
		r.Add(problem.Warn("retention cannot remove backups", a.shown()+" refused to remove snapshots the last time", keepsAllRemedy))
	}
	return r, a.checkSpace(ctx, &r, e)
}

func (a *archive) tooOld(v version) *problem.Problem {
	return problem.New("restic is too old", fmt.Sprintf("%s is version %s, and bkp needs %s or newer", a.binary(), v, oldest), "install a newer one, from restic's own releases, and name it in binary")
}

// checkNew looks where a repository is to be made.
func (a *archive) checkNew(r *providers.Report, e providers.Estimate) {
	folder := a.Destination().Folder
	if folder == "" {
		return
	}
	existing, err := host.Existing(folder)
	if err == nil {
		err = host.Writable(existing)
	}
	if err != nil {
		r.Add(problem.Wrap(err, "repository cannot be written", "let the user that runs bkp write there, or choose another place"))
	}
	r.Space = []providers.SpaceNeed{a.need(folder, e.Bytes+spaceMargin, "all of it, before compression")}
}

func (a *archive) need(folder string, bytes int64, why string) providers.SpaceNeed {
	return providers.SpaceNeed{Path: folder, Bytes: bytes, For: "repository of " + a.env.Address + ", " + why}
}

// checkSpace looks at the earlier backups. The next one adds what changed since the newest:
// files that were pushed, and those of a repository that Bitbucket packed anew, which are
// new as a whole. Until it is made more may be packed, so that no less space than the
// largest of the last ones took is asked for.
func (a *archive) checkSpace(ctx context.Context, r *providers.Report, e providers.Estimate) error {
	list, findings, err := a.List(ctx)
	if err != nil {
		return addProblem(r, err)
	}
	for _, f := range findings {
		f.Severity = problem.Warning
		f.Detail += "; the next backup is made all the same, and retention leaves this one alone"
		r.Add(&f)
	}
	need, why := e.Bytes, "all of it, before compression"
	if len(list) > 0 {
		need, why = a.expectNew(r, e, list[0])
	}
	folder := a.Destination().Folder
	if folder == "" {
		return nil
	}
	if err := host.Writable(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.Add(problem.Wrap(err, "repository cannot be written", "let the user that runs bkp write there"))
	}
	for _, m := range list[:min(len(list), looksBack)] {
		if size := m.Stored[0].Size(); why == "" || size > need {
			need, why = size, "by the largest of the last ones"
		}
	}
	r.Space = []providers.SpaceNeed{a.need(folder, need+spaceMargin, why)}
	return nil
}

// expectNew shows how much is likely to be new since the last backup, and returns it.
func (a *archive) expectNew(r *providers.Report, e providers.Estimate, last providers.Manifest) (need int64, why string) {
	fresh, known := e.NewSince(last.Created)
	if !known {
		return 0, ""
	}
	r.Does[providers.Store] += fmt.Sprintf(": %s of %s, the files that are new or packed anew since %s",
		humanize.Bytes(uint64(fresh)), humanize.Bytes(uint64(max(e.Bytes, 0))), last.ID)
	return fresh, "what changed since the last backup, before compression"
}

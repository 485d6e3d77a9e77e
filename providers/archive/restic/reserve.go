package restic

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
)

// idTaken is the summary when a backup of this id is somebody else's.
const idTaken = "id is taken"

func (a *archive) taken(b providers.BackupID, by string) error {
	return problem.Wrapf(providers.ErrTaken, idTaken, "run again; let instances that share a repository have different names", "%s in %s, by %s", b, a.shown(), by)
}

// Reserve implements providers.Archiver. It makes the repository if that is asked
// for.
func (a *archive) Reserve(ctx context.Context, b providers.BackupID) error {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return err
	}
	all, err := a.holdOrMake(ctx, b)
	if err == nil && len(all.of(b).without(tagReserved)) > 0 {
		err = a.taken(b, "a backup that is there")
	}
	return err
}

// holdOrMake is hold, and makes the repository before if it is missing and that is
// asked for.
func (a *archive) holdOrMake(ctx context.Context, b providers.BackupID) (set, error) {
	if err := a.makeWork(); err != nil {
		return nil, err
	}
	all, err := a.hold(ctx, b)
	if codeOf(err) != codeNone || !a.cfg.Init {
		return all, err
	}
	if err := a.makeRepository(ctx); err != nil {
		return nil, err
	}
	return a.hold(ctx, b)
}

// makeRepository makes one, unless somebody else did at the same time.
func (a *archive) makeRepository(ctx context.Context) error {
	err := a.run(ctx, call{args: []string{"init"}})
	if err == nil {
		return nil
	}
	if _, again := a.config(ctx); again == nil {
		return nil
	}
	return err
}

// hold makes the id ours and returns the snapshots of all backups. There is nothing in
// a repository that only one can make, so everybody writes a snapshot first and looks
// for others then: of two at the same time one may fail, or both, but never none.
// Which snapshots there are always comes from the repository; what is in one is in its
// digest, so that restic's cache may answer that.
func (a *archive) hold(ctx context.Context, b providers.BackupID) (set, error) {
	all, err := a.snapshots(ctx, "", false)
	if err != nil {
		return nil, err
	}
	has := all.of(b)
	if err := a.refuseForeign(b, has); err != nil || len(has.only(tagReserved)) > 0 || len(has.only(tagManifest)) > 0 {
		return all, err
	}
	id, err := a.reserved(ctx, b)
	if err != nil {
		return nil, err
	}
	if all, err = a.snapshots(ctx, "", false); err == nil {
		err = a.refuseForeign(b, all.of(b))
	}
	if err != nil {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endings)
		defer cancel()
		return nil, errors.Join(err, a.letBe(a.forget(end, b, []string{id})))
	}
	return all, nil
}

// refuseForeign refuses an id that somebody else is using. A backup that is whole
// may be anybody's: the state folder that made it may be lost.
func (a *archive) refuseForeign(b providers.BackupID, all set) error {
	if len(all.only(tagManifest)) > 0 {
		return nil
	}
	if other := all.foreign(a.holder()); other != nil {
		by, _ := other.tagged(tagBy)
		return a.taken(b, fmt.Sprintf("the state folder with the mark %s since %s", by, other.Time.Local().Format("2006-01-02 15:04")))
	}
	return nil
}

func (a *archive) reserved(ctx context.Context, b providers.BackupID) (string, error) {
	return a.storeText(ctx, b, "reserved", strings.NewReader(a.holder()+"\n"), tagReserved)
}

// release gives the reservation up once the backup is whole. It is no failure of the
// backup if that fails: the reservation goes with it. That a repository removes nothing
// is learned here.
func (a *archive) release(ctx context.Context, b providers.BackupID, all set) {
	if err := a.forget(ctx, b, all.only(tagReserved).ids()); err != nil {
		if p := asProblem(err); p == nil || p.Summary != keepsAll {
			a.env.Warning("the id is still reserved: " + err.Error())
		}
	}
}

// mine refuses to replace a backup of the same id that is another one.
func (a *archive) mine(there, m providers.Manifest) error {
	same := there.Instance == m.Instance && there.URL == m.URL && len(there.Artifacts) == len(m.Artifacts)
	for i := range m.Artifacts {
		same = same && there.Artifacts[i].Address == m.Artifacts[i].Address && there.Artifacts[i].PointInTime.Equal(m.Artifacts[i].PointInTime)
	}
	if same {
		return nil
	}
	return a.taken(m.ID, fmt.Sprintf("a backup of %s that was made by somebody else", there.Instance))
}

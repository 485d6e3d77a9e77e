package tar

import (
	"context"
	"errors"
	"fmt"
	"os"

	"bkp/internal/problem"
	"bkp/providers"
)

// idTaken is the summary when a backup of this id is somebody else's.
const idTaken = "id is taken"

// maker names this archive of this state folder of this machine.
func (a *archive) maker() string {
	name, _ := os.Hostname()
	return "bkp:" + name + ":" + a.env.WorkDir
}

// Reserve implements providers.Archiver.
func (a *archive) Reserve(ctx context.Context, b providers.BackupID) error {
	if err := a.hold(ctx, b); err != nil {
		return err
	}
	// Nobody else can add to these from now on.
	there, err := a.place.List(ctx, b)
	if err == nil && len(there) == 0 {
		return nil
	}
	if err == nil {
		err = a.taken(b, a.place.At(there[0].Name))
	}
	return errors.Join(err, a.place.Unclaim(ctx, b))
}

func (a *archive) taken(b providers.BackupID, by string) error {
	return problem.Wrapf(providers.ErrTaken, idTaken, "run again; let instances that share a destination have different names", "%s in %s, by %s", b, a.place.Destination().Name, by)
}

// hold makes the id ours, among all who store in the destination. It may be
// called again.
func (a *archive) hold(ctx context.Context, b providers.BackupID) error {
	by, err := a.place.Claim(ctx, b, a.maker())
	if err == nil && by != a.maker() {
		err = a.taken(b, by)
	}
	return err
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

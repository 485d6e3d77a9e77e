// Package claim keeps the ids of backups apart, among all who store in one place.
package claim

import (
	"context"
	"errors"
	"fmt"
	"os"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/place"
)

// Claims are those of one archive of one state folder of this machine.
type Claims struct {
	Place place.Place
	// WorkDir is the archive's; see providers.Env.
	WorkDir string
}

// Maker names who has these claims.
func (c Claims) Maker() string {
	name, _ := os.Hostname()
	return "bkp:" + name + ":" + c.WorkDir
}

// Reserve does what providers.Archiver says of it.
func (c Claims) Reserve(ctx context.Context, b providers.BackupID) error {
	if err := c.Hold(ctx, b); err != nil {
		return err
	}
	// Nobody else can add to these from now on.
	there, err := c.Place.List(ctx, b)
	if err == nil && len(there) == 0 {
		return nil
	}
	if err == nil {
		err = c.taken(b, c.Place.At(there[0].Name))
	}
	return errors.Join(err, c.Place.Unclaim(ctx, b))
}

func (c Claims) taken(b providers.BackupID, by string) error {
	return problem.Wrapf(providers.ErrTaken, "id is taken", "run again; let instances that share a destination have different names", "%s in %s, by %s", b, c.Place.Destination().Name, by)
}

// Hold makes the id ours. It may be called again.
func (c Claims) Hold(ctx context.Context, b providers.BackupID) error {
	by, err := c.Place.Claim(ctx, b, c.Maker())
	if err == nil && by != c.Maker() {
		err = c.taken(b, by)
	}
	return err
}

// Held reports whether the id is ours now.
func (c Claims) Held(ctx context.Context, b providers.BackupID) (bool, error) {
	by, err := c.Place.Claimed(ctx, b)
	return by == c.Maker(), err
}

// Mine refuses to replace a backup of the same id that is another one.
func (c Claims) Mine(there, m providers.Manifest) error {
	same := there.Instance == m.Instance && there.URL == m.URL && len(there.Artifacts) == len(m.Artifacts)
	for i := range m.Artifacts {
		same = same && there.Artifacts[i].Address == m.Artifacts[i].Address && there.Artifacts[i].PointInTime.Equal(m.Artifacts[i].PointInTime)
	}
	if same {
		return nil
	}
	return c.taken(m.ID, fmt.Sprintf("a backup of %s that was made by somebody else", there.Instance))
}

package planner

import (
	"context"
	"errors"
	"fmt"
	"os"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

// notVanished adds an error to the report of an archive's check if none of the
// backups that the catalog knows in its folder is there: a disk that is not mounted
// looks like a new one. This backup would go to the disk below, and hide as soon as the
// other is mounted again.
func (p *planning) notVanished(ctx context.Context, a Archive, r *providers.Report) error {
	at := a.Archiver.Destination()
	if at.Folder == "" || r.Failed() {
		return nil
	}
	known := 0
	for _, m := range p.History {
		if st, ok := m.In(a.Address); ok && st.Keeps() && host.Inside(st.Location, at.Folder) {
			known++ // what was stored before the destination was moved counts nowhere
		}
	}
	if known == 0 {
		return nil
	}
	list, findings, err := a.Archiver.List(ctx)
	if err != nil || len(list)+len(findings) > 0 {
		return err
	}
	r.Add(Vanished(at, known))
	return nil
}

// Vanished is the problem of an archive that holds no backup at all, and in which the
// catalog knows some.
func Vanished(at providers.Destination, known int) *problem.Problem {
	state := "holds no backup"
	if at.Folder != "" {
		if _, err := os.Stat(at.Folder); errors.Is(err, os.ErrNotExist) {
			state = "is missing"
		}
	}
	return problem.New("the backups are not there", fmt.Sprintf("%s %s, and the catalog knows %s there", at.Name, state, problem.Counted(known, "backup")),
		"check that the right disk is mounted. If it is a new disk, or they were removed on purpose, take them off the list:\n\n    bkp list --refresh --forget-missing\n")
}

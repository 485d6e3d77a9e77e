package copies

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"bkp/internal/problem"
	"bkp/internal/records/leftover"
	"bkp/providers"
)

// prefix begins the name of a scratch folder.
const prefix = "bkp-copy-"

// record is what a copy that is killed leaves.
type record struct {
	Backup providers.BackupID `json:"backup"`
	// Path is the scratch folder.
	Path string `json:"path"`
	// Archive is the address of the one that was copied to.
	Archive string `json:"archive,omitempty"`
}

func newRecord(parent string, id providers.BackupID, archive string) record {
	return record{Backup: id, Path: filepath.Join(parent, prefix+string(id)+"-"+rand.Text()[:8]), Archive: archive}
}

func recordPath(state string) string { return filepath.Join(state, "copy.json") }

func (r record) save(state string) error {
	if err := os.MkdirAll(state, 0o700); err != nil {
		return err
	}
	return leftover.Save(recordPath(state), r)
}

// remove removes the scratch folder, and then the record.
func (r record) remove(state string) error {
	if !filepath.IsAbs(r.Path) || !strings.HasPrefix(filepath.Base(r.Path), prefix) {
		return problem.New("record of a copy is invalid", fmt.Sprintf("%s names %q, which is not a folder of a copy", recordPath(state), r.Path), "check what the file names, then remove it")
	}
	if err := leftover.Remove(r.Path); err != nil {
		return problem.Wrap(err, "scratch folder of a copy cannot be removed", "remove it by hand:\n\n    rm -rf "+r.Path)
	}
	return os.Remove(recordPath(state))
}

// Clean removes what a copy left that was killed, and returns its backup; "" when
// there was none. discard ends what it had begun in an archive. The caller holds the
// run lock: no copy is under way.
func Clean(ctx context.Context, state string, discard func(ctx context.Context, archive string, b providers.BackupID) error) (providers.BackupID, error) {
	if !leftover.Exists(recordPath(state)) {
		return "", nil
	}
	var r record
	if found, err := leftover.Load(recordPath(state), &r); err != nil || !found {
		return "", err
	}
	if r.Archive != "" {
		if err := discard(ctx, r.Archive, r.Backup); err != nil {
			return r.Backup, fmt.Errorf("%s: %w", r.Archive, err)
		}
	}
	return r.Backup, r.remove(state)
}

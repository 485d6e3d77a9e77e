package drill

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"

	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/internal/records/leftover"
	"bkp/providers"
)

// ErrRunning is about another drill with the same state folder.
var ErrRunning = errors.New("another drill is in progress")

// prefix begins the name of every scratch folder. Nothing else is ever removed.
const prefix = "bkp-drill-"

// DefaultParent is where scratch folders are made unless somebody says
// otherwise: where much may lie for long, and every user may pass through, as
// that of a database server must.
func DefaultParent() string {
	const large = "/var/tmp"
	if info, err := os.Stat(large); err == nil && info.IsDir() {
		return large
	}
	return os.TempDir()
}

// folder is the scratch folder of a drill that is under way.
type folder struct {
	path   string
	record string
}

// record is what stays when a drill is killed.
type record struct {
	Path string `json:"path"`
}

func recordPath(state string) string { return filepath.Join(state, "drill.json") }

// lockState makes this drill the only one of the state folder; the kernel ends
// that with the process.
func lockState(state string) (*flock.Flock, error) {
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, err
	}
	l := flock.New(filepath.Join(state, "drill.lock"), flock.SetPermissions(0o600))
	ok, err := l.TryLock()
	if err != nil {
		return nil, problem.Wrap(err, "state folder not writable", "run as a user who may write there, or set state_dir")
	}
	if !ok {
		return nil, ErrRunning
	}
	return l, nil
}

// makeFolder makes the scratch folder, after what an earlier drill left is
// gone. The caller holds the lock, and MUST remove the folder.
func makeFolder(state, parent string, id providers.BackupID) (*folder, error) {
	f := &folder{path: filepath.Join(parent, prefix+string(id)+"-"+rand.Text()[:8]), record: recordPath(state)}
	if _, err := clean(f.record); err != nil {
		return nil, err
	}
	if err := leftover.Save(f.record, record{f.path}); err != nil {
		return nil, err
	}
	// A server that runs as another user must pass through, and sees nothing.
	err := os.Mkdir(f.path, 0o711)
	if err == nil {
		err = os.Chmod(f.path, 0o711) //nolint:gosec // whatever the umask: see above
	}
	if err == nil {
		err = os.Mkdir(f.private(), 0o700)
	}
	if err != nil {
		return nil, errors.Join(problem.Wrap(err, "scratch folder cannot be made", "choose another place with --scratch"), f.remove())
	}
	return f, nil
}

// private is what nobody else may look into.
func (f *folder) private() string { return filepath.Join(f.path, "private") }
func (f *folder) home() string    { return filepath.Join(f.private(), "home") }
func (f *folder) work() string    { return filepath.Join(f.private(), "work") }
func (f *folder) server() string  { return filepath.Join(f.path, "server") }

// remove removes everything, the record last.
func (f *folder) remove() error {
	_, err := clean(f.record)
	return err
}

// Clean removes what a drill left that was killed, and returns the folder; ""
// when there was none, or when a drill is under way.
func Clean(records catalog.Catalog, state string) (string, error) {
	if !leftover.Exists(recordPath(state)) && !records.DrillsHalfWritten() {
		return "", nil // and no lock is made, which another user could not take
	}
	l, err := lockState(state)
	if errors.Is(err, ErrRunning) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Unlock() }()
	path, err := clean(recordPath(state))
	return path, errors.Join(err, records.CleanDrills())
}

// clean does what the record says, and removes it. The caller holds the lock.
func clean(recordFile string) (string, error) {
	var r record
	if found, err := leftover.Load(recordFile, &r); err != nil || !found {
		return "", err
	}
	if !filepath.IsAbs(r.Path) || !strings.HasPrefix(filepath.Base(r.Path), prefix) {
		return "", problem.New("record of a drill is invalid", fmt.Sprintf("%s names %q, which is not a folder of a drill", recordFile, r.Path), "check what the file names, then remove it")
	}
	endProcesses(r.Path)
	if err := leftover.Remove(r.Path); err != nil {
		return r.Path, problem.Wrap(err, "scratch folder of a drill cannot be removed", "remove it by hand:\n\n    rm -rf "+r.Path)
	}
	return r.Path, os.Remove(recordFile)
}

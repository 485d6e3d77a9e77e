//go:build linux

package aws

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Keys and names of the world that every test begins with.
const (
	AccessKey = "AKIABKPTESTBKPTEST"
	SecretKey = "a secret of Amazon"
	Region    = "eu-central-1"
	Zone      = "eu-central-1a"
	Account   = "111122223333"
	Instance  = "i-0123456789abcdef0"
)

const (
	step = 15 * time.Second
	// atFirst is how long a snapshot or a database is not finished, on the world's clock.
	atFirst = 40 * time.Second
)

// World is an Amazon of one test. It is safe for concurrent use.
type World struct {
	// Endpoint is the URL of all services, Metadata that of the machine's metadata.
	Endpoint, Metadata string
	// Sysfs stands for /sys of the machine.
	Sysfs string

	dir       string
	api, meta *httptest.Server

	mu     sync.Mutex
	offset time.Duration
	next   int
	places map[place]*state
	keys   map[string]string // access key -> account
	faults []*Fault
	denied map[string]bool
	calls  []string
	loops  map[string]string // loop device -> volume
	doomed map[string]bool   // volumes whose snapshots end as an error
	roles  map[string]string // ARN of a role -> the external id that it asks for
	takes  time.Duration     // how long a snapshot or a database is not finished
	ticks  []tick            // when the offset changed
	leap   time.Duration     // what a look at a database that is available lets pass
	lag    int               // how many looks do not show what is made
	behind int               // how many more do not show the last snapshot of a call
}

// place is where state lies: an account and a region.
type place struct{ account, region string }

// state is what an account has in a region.
type state struct {
	volumes   map[string]*volume
	snapshots map[string]*snapshot
	dbs       map[string]*database
	dbSnaps   map[string]*dbSnapshot
	// clusters are those of Aurora; their members are among dbs.
	clusters     map[string]*database
	clusterSnaps map[string]*dbSnapshot
}

// Start starts a world until the end of the test.
func Start(t testing.TB) *World {
	t.Helper()
	w := New(t.TempDir())
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// New starts a world with one account, one region and one machine. Its files lie in an
// empty folder. The caller closes it.
func New(dir string) *World {
	w := &World{
		dir: dir, Sysfs: filepath.Join(dir, "sys"), places: map[place]*state{}, keys: map[string]string{AccessKey: Account},
		takes: atFirst, leap: arrears / 2, denied: map[string]bool{}, loops: map[string]string{}, doomed: map[string]bool{}, roles: map[string]string{},
	}
	w.api = httptest.NewServer(http.HandlerFunc(w.serve))
	w.meta = httptest.NewServer(http.HandlerFunc(w.metadata))
	w.Endpoint, w.Metadata = w.api.URL, w.meta.URL
	return w
}

// Close ends it, and unmounts and removes its disks.
func (w *World) Close() error {
	w.api.Close()
	w.meta.Close()
	return w.release()
}

// Env are the variables by which the SDK finds keys and metadata.
func (w *World) Env() map[string]string {
	return map[string]string{ //nolint:gosec // keys of the stand-in
		"AWS_ACCESS_KEY_ID": AccessKey, "AWS_SECRET_ACCESS_KEY": SecretKey, "AWS_SESSION_TOKEN": "",
		"AWS_REGION": Region, "AWS_PROFILE": "", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
		"AWS_EC2_METADATA_SERVICE_ENDPOINT": w.Metadata, "AWS_EC2_METADATA_DISABLED": "false",
	}
}

// Setenv sets Env in the process of the test.
func (w *World) Setenv(t *testing.T) {
	t.Helper()
	for name, value := range w.Env() {
		t.Setenv(name, value)
	}
}

// at is the state of a place. The lock is held.
func (w *World) at(p place) *state {
	s := w.places[p]
	if s == nil {
		s = &state{
			volumes: map[string]*volume{}, snapshots: map[string]*snapshot{}, dbs: map[string]*database{}, dbSnaps: map[string]*dbSnapshot{},
			clusters: map[string]*database{}, clusterSnaps: map[string]*dbSnapshot{},
		}
		w.places[p] = s
	}
	return s
}

// home is the state of the place where every test begins. The lock is held.
func (w *World) home() *state { return w.at(place{Account, Region}) }

// now is the time of the world. The lock is held.
func (w *World) now() time.Time { return time.Now().Add(w.offset).UTC() }

// tick is the offset from a moment on.
type tick struct {
	at     time.Time
	offset time.Duration
}

// Passed is how much time passed in the world between two moments.
func (w *World) Passed(from, to time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := func(moment time.Time) time.Duration {
		offset := time.Duration(0)
		for _, t := range w.ticks {
			if !t.at.After(moment) {
				offset = t.offset
			}
		}
		return offset
	}
	return to.Sub(from) + at(to) - at(from)
}

// Advance lets time pass.
func (w *World) Advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.offset += d
}

// id makes one such as vol-00000000000000001. The lock is held.
func (w *World) id(prefix string) string {
	w.next++
	return fmt.Sprintf("%s-%017x", prefix, w.next)
}

// Fault disturbs a call that is no dry run.
type Fault struct {
	// Action is its name, such as CreateSnapshots; * is any.
	Action string
	// Skip is how many calls pass before it, Times how many it disturbs; 0 is one.
	Skip, Times int
	// Code is the error that is answered, before any effect.
	Code string
	// Lost has the effect, and no reply.
	Lost bool
	// Then, if not nil, is called when it happens. The lock is not held.
	Then func()
}

// Disturb adds a fault.
func (w *World) Disturb(f Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f.Times = max(f.Times, 1)
	w.faults = append(w.faults, &f)
}

// Deny takes a right, such as ec2:CreateSnapshots; Allow gives it back.
func (w *World) Deny(right string) { w.set(w.denied, right, true) }

// Allow gives a right back.
func (w *World) Allow(right string) { w.set(w.denied, right, false) }

// FailSnapshots lets the snapshots of a volume end as an error.
func (w *World) FailSnapshots(volume string) { w.set(w.doomed, volume, true) }

func (w *World) set(m map[string]bool, key string, value bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m[key] = value
}

// Calls are the names of all calls so far, but for those that dry runs made.
func (w *World) Calls() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.calls...)
}

// Count is how often a call was made.
func (w *World) Count(action string) int {
	n := 0
	for _, c := range w.Calls() {
		if c == action {
			n++
		}
	}
	return n
}

// fault takes the fault that a call meets, nil for none. The lock is held.
func (w *World) fault(action string) *Fault {
	for _, f := range w.faults {
		if f.Action != action && f.Action != "*" || f.Times == 0 {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		f.Times--
		return f
	}
	return nil
}

// Left describes what the account has: snapshots, and volumes but for those that
// the test made.
func (w *World) Left() (snapshots, volumes []string) { return w.LeftIn(Account, Region) }

// LeftIn is Left for a place.
func (w *World) LeftIn(account, region string) (snapshots, volumes []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	in := w.at(place{account, region})
	for _, s := range in.snapshots {
		snapshots = append(snapshots, s.ID+" of "+s.Volume+" "+strings.Join(s.Tags.texts(), " "))
	}
	for _, v := range in.volumes {
		if v.From != "" {
			volumes = append(volumes, v.ID+" from "+v.From+" "+v.Instance)
		}
	}
	return snapshots, volumes
}

// Calm takes back what Disturb added.
func (w *World) Calm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = nil
}

// Slow lets what begins from now on, snapshots, copies and databases, take so long.
func (w *World) Slow(takes time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.takes = takes
}

// Steady lets no time pass by a look at what is finished: then Passed says how long a caller waits.
// The latest restorable time follows by Advance alone.
func (w *World) Steady() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leap = 0
}

// Lag lets what is made from now on, snapshots, copies and volumes, not be shown by so many
// looks: answers of Amazon come from copies of its state.
func (w *World) Lag(looks int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lag = looks
}

// LagBehind lets the last of several snapshots that one call takes from now on not be shown by so
// many looks more than the others.
func (w *World) LagBehind(looks int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.behind = looks
}

// Show shows all that Lag hid.
func (w *World) Show() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, in := range w.places {
		for _, s := range in.snapshots {
			s.unseen = 0
		}
	}
}

// Backdate lets all snapshots of volumes have begun earlier.
func (w *World) Backdate(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.home().snapshots {
		s.Started = s.Started.Add(-by)
	}
}

// Use lets an image use all snapshots of volumes that are there, or none: they cannot be
// deleted meanwhile.
func (w *World) Use(used bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, in := range w.places {
		for _, s := range in.snapshots {
			s.inUse = used
		}
	}
}

// Unlocked are the snapshots of volumes in a place that no lock keeps.
func (w *World) Unlocked(account, region string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, s := range w.at(place{account, region}).snapshots {
		if !w.now().Before(s.lockedUntil) {
			out = append(out, s.ID)
		}
	}
	return out
}

// Vanish deletes a snapshot, of a volume or a database, as somebody else does.
func (w *World) Vanish(snapshot string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, in := range w.places {
		delete(in.snapshots, snapshot)
		delete(in.dbSnaps, snapshot)
		delete(in.clusterSnaps, snapshot)
	}
}

// BadKey is one that nobody can use: what is copied with it ends as an error.
const BadKey = "alias/nobody"

func (w *World) badKey(c call) bool { return c.Get("KmsKeyId") == BadKey }

// Role lets a role be taken on only with an external id. One that is not known here asks for
// none.
func (w *World) Role(arn, externalID string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.roles[arn] = externalID
}

// Pend begins snapshots of a volume that somebody else takes.
func (w *World) Pend(volume string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for range n {
		id := w.id("snap")
		w.home().snapshots[id] = &snapshot{ID: id, Volume: volume, Owner: Account, Started: w.now(), Ready: w.now().Add(time.Hour), Tags: tags{}}
	}
}

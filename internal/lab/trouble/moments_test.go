package trouble_test

import (
	"net/http"
	"sync"
	"testing"

	"bkp/internal/event"
)

// moment is an instant of a run: a request of bkp before it is answered, or a
// step that begins.
type moment struct {
	name string
	// request is method and path, and nth the how manieth.
	request string
	nth     int
	phase   string
}

// moments are all phases of a run, in its order.
var moments = []moment{
	{name: "live pass", phase: "prepare"},
	{name: "warm", request: "GET /mvc/maintenance/lock", nth: 2},
	{name: "lock call", request: "POST /mvc/maintenance/lock", nth: 1},
	{name: "start", request: "POST /mvc/admin/backups", nth: 1},
	{name: "drain", request: "GET /mvc/maintenance", nth: 1},
	{name: "capture", phase: "capture"},
	{name: "complete", request: "POST /mvc/admin/backups/progress/client", nth: 1},
	{name: "unlock", request: "DELETE /mvc/maintenance/lock", nth: 1},
	{name: "dump", phase: "finish"},
	{name: "archive", phase: "store"},
	{name: "prune", phase: "prune"},
}

// at runs a backup, and calls do once when it comes to the moment.
func (r *rig) at(t *testing.T, m moment, do func(p *process)) (code int, said string) {
	t.Helper()
	var once sync.Once
	came := false
	var p *process
	begun := make(chan struct{})
	act := func() {
		<-begun
		once.Do(func() { came = true; do(p) })
	}
	seen := 0
	var mu sync.Mutex
	r.onRequest(func(req *http.Request) {
		mu.Lock()
		if req.Method+" "+req.URL.Path == m.request {
			seen++
		}
		now := m.request != "" && seen == m.nth
		mu.Unlock()
		if now {
			act()
		}
	})
	p = r.apply(t, func(_ *process, e event.Event) {
		if m.phase != "" && e.Kind == event.StepStarted && e.Phase == m.phase {
			act()
		}
	})
	close(begun)
	code, said = p.wait(t)
	r.onRequest(nil)
	once.Do(func() {}) // whatever comes later is too late
	if !came {
		t.Fatalf("the run did not come to it; exit code %d:\n%s", code, said)
	}
	return code, said
}

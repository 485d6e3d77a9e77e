package sandbox

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestCodes(t *testing.T) {
	i := newInstance(t, Options{Corners: Corners{Codes: Codes{
		Unlocked: 200, AlreadyLocked: 423, WrongToken: 403, NotLocked: 409, NoTask: 410, TaskRunning: 418, BadProgress: 422,
	}}})
	progress := "/mvc/admin/backups/progress/client?token="
	i.want(409, "DELETE", "/mvc/maintenance/lock?token=x", "")
	i.want(410, "POST", progress+"x&percentage=1", "")
	unlock, _ := i.start()
	i.want(423, "POST", "/mvc/maintenance/lock", "")
	i.want(403, "DELETE", "/mvc/maintenance/lock?token=x", "")
	i.want(403, "GET", "/mvc/maintenance", "x")
	i.want(418, "POST", "/mvc/admin/backups?external=true", unlock)
	i.want(422, "POST", progress+unlock+"&percentage=101", "")
	i.want(202, "POST", progress+unlock+"&percentage=100", "")
	i.want(200, "DELETE", "/mvc/maintenance/lock?token="+unlock, "")
}

func TestDrainCorners(t *testing.T) {
	for end, want := range map[DrainEnd]maintenanceReply{
		DrainFails: {Task: &taskReply{State: Failed}, Database: Available},
		DrainNever: {Task: &taskReply{State: Running}, Database: Latched},
		"":         {Task: &taskReply{State: Running}, Database: Drained},
	} {
		t.Run("drain "+string(end), func(t *testing.T) {
			i := newInstance(t, Options{Corners: Corners{DrainEnd: end}})
			unlock, _ := i.start()
			got := decode[maintenanceReply](t, i.want(200, "GET", "/mvc/maintenance", unlock))
			if got.Task.State != want.Task.State || got.Database != want.Database || got.SCM != want.Database {
				t.Errorf("%+v, task %+v", got, got.Task)
			}
			i.want(200, "GET", "/mvc/maintenance/lock", "") // the lock is held in any case
		})
	}
}

func TestLostReply(t *testing.T) {
	i := newInstance(t, Options{Corners: Corners{LostReplies: map[Call]int{CallLock: 1}}})
	if a, err := i.try("POST", "/mvc/maintenance/lock", ""); !errors.Is(err, io.EOF) {
		t.Fatalf("answer %+v, error %v, want the connection closed", a, err)
	}
	if !i.State().Locked() {
		t.Error("the call whose reply was lost had no effect")
	}
	i.want(409, "POST", "/mvc/maintenance/lock", "") // the count has run down
	if r := i.Requests()[0]; !r.Lost || r.Call != CallLock {
		t.Errorf("log says %+v", r)
	}
}

func TestReset(t *testing.T) {
	i := newInstance(t, Options{Corners: Corners{Resets: map[Call]int{CallLock: 1}}})
	if a, err := i.try("POST", "/mvc/maintenance/lock", ""); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Fatalf("answer %+v, error %v, want a reset", a, err)
	}
	if i.State().Locked() {
		t.Error("the call that was reset had an effect")
	}
	i.want(202, "POST", "/mvc/maintenance/lock", "")
}

func TestAnswers(t *testing.T) {
	i := newInstance(t, Options{Corners: Corners{Answers: map[Call][]int{CallLock: {500, 502}}}})
	i.want(500, "POST", "/mvc/maintenance/lock", "")
	i.want(502, "POST", "/mvc/maintenance/lock", "")
	if i.State().Locked() {
		t.Error("a failed call had an effect")
	}
	i.want(202, "POST", "/mvc/maintenance/lock", "")
}

func TestBodies(t *testing.T) {
	i := newInstance(t, Options{Corners: Corners{Bodies: map[Call]string{CallLock: "{}"}}})
	if a := i.want(202, "POST", "/mvc/maintenance/lock", ""); a.body != "{}" {
		t.Errorf("body %s", a.body)
	}
	if !i.State().Locked() {
		t.Error("not locked")
	}
}

func TestStalePolls(t *testing.T) {
	for answer, status := range map[int]int{0: 404, 503: 503, 200: 200} {
		i := newInstance(t, Options{Corners: Corners{StalePolls: 2, StaleAnswer: answer}})
		for range 2 { // the corner holds for each start
			unlock, cancel := i.start()
			for range 2 {
				a := i.want(status, "GET", "/mvc/maintenance", unlock)
				if status == 200 && decode[maintenanceReply](t, a).Task != nil {
					t.Errorf("a stale poll knows the task: %s", a.body)
				}
			}
			if m := decode[maintenanceReply](t, i.want(200, "GET", "/mvc/maintenance", unlock)); m.Task == nil {
				t.Error("no task after the stale polls")
			}
			i.want(202, "POST", "/mvc/maintenance?token="+cancel, "")
			i.want(202, "DELETE", "/mvc/maintenance/lock?token="+unlock, "")
		}
	}
}

func TestDelayPassesBeforeTheEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(Options{Corners: Corners{Delays: map[Call]Duration{CallLock: Duration(time.Minute)}}})
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/mvc/maintenance/lock", http.NoBody)
		r.SetBasicAuth("admin", "admin")
		r.Header.Set("Content-Type", "application/json")
		var wait sync.WaitGroup
		wait.Go(func() { s.ServeHTTP(httptest.NewRecorder(), r) })
		time.Sleep(time.Minute - 1)
		synctest.Wait()
		if s.State().Locked() {
			t.Error("locked before the delay")
		}
		wait.Wait()
		if !s.State().Locked() {
			t.Error("not locked after the delay")
		}
	})
}

func TestIdleAnswers(t *testing.T) {
	i := newInstance(t, Options{Corners: Corners{IdleAnswers: true}})
	if m := decode[maintenanceReply](t, i.want(200, "GET", "/mvc/maintenance", "")); m.Task != nil || m.Database != Available {
		t.Errorf("maintenance %+v", m)
	}
}

func TestNodeState(t *testing.T) {
	i := newInstance(t, Options{Corners: Corners{NodeState: "STARTING"}})
	if a := i.want(503, "GET", "/status", ""); a.body != `{"state":"STARTING"}` {
		t.Errorf("status %s", a.body)
	}
	i.want(503, "POST", "/mvc/maintenance/lock", "")
}

func TestNoRetryAfter(t *testing.T) {
	i := newInstance(t, Options{Corners: Corners{NoRetryAfter: true}})
	i.LockAs(Owner{Name: "jane"})
	if a := i.want(503, "GET", "/projects", ""); a.header.Get("Retry-After") != "" {
		t.Error("Retry-After is there")
	}
}

func TestSomebodyElsesLock(t *testing.T) {
	i := newInstance(t, Options{})
	i.LockAs(Owner{DisplayName: "Jane Doe", Name: "jane"})
	if e := decode[apiErrors](t, i.want(409, "POST", "/mvc/maintenance/lock", "")); e.Owner == nil || e.Owner.Name != "jane" {
		t.Errorf("got %+v", e)
	}
}

func TestRestart(t *testing.T) {
	for _, keeps := range []bool{false, true} {
		i := newInstance(t, Options{Corners: Corners{RestartKeepsLock: keeps}})
		unlock, _ := i.start()
		i.Restart()
		s := i.State()
		if s.Locked() != keeps || s.Task != nil || s.Database != Available {
			t.Errorf("keeps %v: state %+v", keeps, s)
		}
		i.want(404, "POST", "/mvc/admin/backups/progress/client?percentage=100&token="+unlock, "")
	}
}

func TestCornersChangeWhileCalled(t *testing.T) {
	i := newInstance(t, Options{})
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for n := range 25 {
				i.ChangeCorners(func(c *Corners) { c.LostReplies = map[Call]int{CallCluster: n % 2} })
				_ = i.Corners().LostReplies[CallCluster]
			}
		})
		wait.Go(func() {
			for range 25 {
				_, _ = i.try("GET", "/projects", "")
			}
		})
	}
	wait.Wait()
	if n := i.Count(CallPage); n != 100 {
		t.Errorf("%d pages counted, want 100", n)
	}
}

package awsrds

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	lab "bkp/internal/lab/aws"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/database/internal/rds"
	"bkp/providers/providertest"
)

const id = providers.BackupID("test-20261122T214431Z")

func newWorld(t *testing.T) *lab.World {
	t.Helper()
	w := lab.Start(t)
	w.Setenv(t)
	w.NewDatabase("bitbucket", 7)
	w.Write("bitbucket", "begin")
	return w
}

func opened(w *lab.World, method string) *rds.Strategy {
	c := *Definition().NewConfig().(*Config)
	c.Instance, c.Method, c.Endpoint = "bitbucket", method, w.Endpoint
	return rds.New(c.common(), providers.Env{Address: "database.aws_rds.x", Instance: providers.Instance{Name: "test"}})
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err, problem.Remedy(err))
	}
}

func TestContract(t *testing.T) {
	for _, method := range []string{rds.PointInTime, rds.OfSnapshot} {
		t.Run(method, func(t *testing.T) {
			providertest.Run(t, func(t *testing.T) providertest.Harness {
				w := newWorld(t)
				n := 0
				state := func(name string) map[string]string {
					out := map[string]string{}
					if text := w.Read(name); text != "" {
						out["text"] = text
					}
					return out
				}
				return providertest.Harness{
					New:    func(*testing.T) providers.Strategy { return opened(w, method) },
					Mutate: func(*testing.T) { n++; w.Write("bitbucket", fmt.Sprint("state ", n)) },
					State:  func(*testing.T) map[string]string { return state("bitbucket") },
					Target: func(t *testing.T) providertest.Target {
						n++
						name := fmt.Sprint("restored", n)
						to, err := opened(w, method).Restorer(name)
						ok(t, err)
						return providertest.Target{
							Restorer: to,
							State:    func(*testing.T) map[string]string { return state(name) },
							Occupy:   func(*testing.T) { w.NewDatabase(name, 1); w.Write(name, "somebody's") },
						}
					},
				}
			})
		})
	}
}

// capture makes a backup, with changes right before and right after the lock.
func capture(t *testing.T, w *lab.World, method string) providers.Artifact {
	t.Helper()
	s := opened(w, method)
	r, err := s.Check(t.Context())
	ok(t, err)
	if r.Failed() {
		t.Fatal(r.Findings)
	}
	s.Expect(r.Facts)
	ok(t, s.Warm(t.Context()))
	w.Write("bitbucket", "before")
	if method == rds.PointInTime { // up to the moment at which the time is chosen
		w.Write("bitbucket", "earlier")
		w.Disturb(lab.Fault{Action: "GetCallerIdentity", Then: func() { w.Write("bitbucket", "before") }})
	}
	a, err := s.Capture(t.Context(), id)
	ok(t, err)
	w.Write("bitbucket", "after")
	a, err = opened(w, method).Finish(t.Context(), a) // another process
	ok(t, err)
	return a
}

// TestWholeWay captures, keeps, lists without a state folder, restores and deletes.
func TestWholeWay(t *testing.T) {
	for _, method := range []string{rds.PointInTime, rds.OfSnapshot} {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t)
			a := capture(t, w, method)
			if a.Life != providers.Native {
				t.Errorf("the artifact is %s", a.Life)
			}
			m := providers.Manifest{Format: 1, ID: id, Instance: "test", URL: "https://bitbucket.example.com", BitbucketVersion: "10.2.0", Artifacts: []providers.Artifact{a}}
			_, err := opened(w, method).Keep(t.Context(), m, a)
			ok(t, err)
			ok(t, opened(w, method).Discard(t.Context(), id)) // which leaves alone what is kept
			list, findings, err := opened(w, method).List(t.Context())
			ok(t, err)
			if len(list) != 1 || len(findings) > 0 || list[0].ID != id || list[0].URL != m.URL {
				t.Fatalf("list: %+v, %v", list, findings)
			}
			to, err := opened(w, method).Restorer("")
			ok(t, err)
			ok(t, to.Restore(t.Context(), list[0].Artifacts[0]))
			if text := w.Read("bitbucket-restored"); text != "before" {
				t.Errorf("restored: %q", text)
			}
			if text := w.Read("bitbucket"); text != "after" {
				t.Errorf("the live database has %q", text)
			}
			for range 2 {
				ok(t, opened(w, method).Delete(t.Context(), id))
			}
			list, _, err = opened(w, method).List(t.Context())
			ok(t, err)
			if _, snapshots := w.Databases(); len(list)+len(snapshots) > 0 {
				t.Errorf("left: %v, %v", list, snapshots)
			}
		})
	}
}

// TestNothingUnderTheLock changes nothing in RDS for a point in time.
func TestNothingUnderTheLock(t *testing.T) {
	w := newWorld(t)
	capture(t, w, rds.PointInTime)
	for _, call := range w.Calls() {
		if !strings.HasPrefix(call, "Describe") && call != "GetCallerIdentity" {
			t.Errorf("%s was called", call)
		}
	}
}

// TestReplyLost takes one snapshot, and restores one database, whatever becomes of the
// replies.
func TestReplyLost(t *testing.T) {
	w := newWorld(t)
	w.Disturb(lab.Fault{Action: "CreateDBSnapshot", Lost: true})
	a := capture(t, w, rds.OfSnapshot)
	if _, snapshots := w.Databases(); len(snapshots) != 1 {
		t.Errorf("snapshots: %v", snapshots)
	}
	w.Disturb(lab.Fault{Action: "RestoreDBInstanceFromDBSnapshot", Lost: true})
	to, err := opened(w, rds.OfSnapshot).Restorer("new")
	ok(t, err)
	if err := to.Restore(t.Context(), a); err == nil {
		t.Error("nobody noticed the lost reply")
	}
	if databases, _ := w.Databases(); len(databases) != 1 {
		t.Errorf("databases: %v", databases)
	}
}

// TestRefused names what is wrong before anybody is locked out.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		do   func()
		want string
	}{
		"no retention": {func() { w.NewDatabase("bitbucket", 0) }, "keeps no past"},
		"denied":       {func() { w.Deny("rds:DescribeDBInstances") }, "rds:DescribeDBInstances"},
	} {
		c.do()
		r, err := opened(w, rds.PointInTime).Check(t.Context())
		ok(t, err)
		if !r.Failed() || !strings.Contains(r.Findings[0].Error(), c.want) || r.Findings[0].Remedy == "" {
			t.Errorf("%s: %v", name, r.Findings)
		}
		w.Allow("rds:DescribeDBInstances")
	}
}

// TestAnotherDatabase refuses one of the same name that took the place of the other.
func TestAnotherDatabase(t *testing.T) {
	w := newWorld(t)
	a := capture(t, w, rds.PointInTime)
	w.NewDatabase("bitbucket", 7)
	to, err := opened(w, rds.PointInTime).Restorer("new")
	ok(t, err)
	r, err := to.Check(t.Context(), a)
	ok(t, err)
	if !r.Failed() {
		t.Error("the past of another database would be restored")
	}
}

// TestDiscardedWhileMade: RDS deletes no snapshot that it is still making, and the next run does.
func TestDiscardedWhileMade(t *testing.T) {
	w := newWorld(t)
	w.Slow(time.Hour)
	s := opened(w, rds.OfSnapshot)
	ok(t, s.Warm(t.Context()))
	ctx, kill := context.WithCancelCause(t.Context())
	w.Disturb(lab.Fault{Action: "CreateDBSnapshot", Lost: true, Then: func() { kill(errors.New("killed")) }})
	if _, err := s.Capture(ctx, id); err == nil {
		t.Fatal("it was not killed")
	}
	ok(t, opened(w, rds.OfSnapshot).Discard(t.Context(), id))
	if _, snapshots := w.Databases(); len(snapshots) != 1 {
		t.Fatalf("RDS deleted what it was still making: %v", snapshots)
	}
	ok(t, opened(w, rds.OfSnapshot).Sweep(t.Context())) // too early, which stops nobody
	w.Advance(time.Hour)
	ok(t, opened(w, rds.OfSnapshot).Sweep(t.Context()))
	if _, snapshots := w.Databases(); len(snapshots) > 0 {
		t.Errorf("left: %v", snapshots)
	}
}

// TestShownLate waits for a snapshot that RDS does not show at once.
func TestShownLate(t *testing.T) {
	w := newWorld(t)
	w.Lag(3)
	w.Disturb(lab.Fault{Action: "CreateDBSnapshot", Lost: true})
	capture(t, w, rds.OfSnapshot)
	if _, snapshots := w.Databases(); len(snapshots) != 1 {
		t.Errorf("snapshots: %v", snapshots)
	}
}

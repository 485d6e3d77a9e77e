package awsaurora

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	w.NewCluster("bitbucket", 7)
	w.Write("bitbucket", "begin")
	return w
}

func opened(w *lab.World, method string, change func(*Config)) *rds.Strategy {
	c := *Definition().NewConfig().(*Config)
	c.Cluster, c.Method, c.Endpoint = "bitbucket", method, w.Endpoint
	if change != nil {
		change(&c)
	}
	return rds.New(c.common(), providers.Env{Address: "database.aws_aurora.x", Instance: providers.Instance{Name: "test"}})
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err, problem.Remedy(err))
	}
}

func TestContract(t *testing.T) {
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
			New:    func(*testing.T) providers.Strategy { return opened(w, rds.OfSnapshot, nil) },
			Mutate: func(*testing.T) { n++; w.Write("bitbucket", fmt.Sprint("state ", n)) },
			State:  func(*testing.T) map[string]string { return state("bitbucket") },
			Target: func(t *testing.T) providertest.Target {
				n++
				name := fmt.Sprint("restored", n)
				to, err := opened(w, rds.OfSnapshot, nil).Restorer(name)
				ok(t, err)
				return providertest.Target{
					Restorer: to,
					State:    func(*testing.T) map[string]string { return state(name) },
					Occupy:   func(*testing.T) { w.NewCluster(name, 1); w.Write(name, "somebody's") },
				}
			},
		}
	})
}

// kept makes a backup that is kept, and returns it as another process lists it.
func kept(t *testing.T, w *lab.World, method string) providers.Artifact {
	t.Helper()
	s := opened(w, method, nil)
	r, err := s.Check(t.Context())
	ok(t, err)
	if r.Failed() {
		t.Fatal(r.Findings)
	}
	ok(t, s.Warm(t.Context()))
	a, err := s.Capture(t.Context(), id)
	ok(t, err)
	w.Write("bitbucket", "after")
	a, err = opened(w, method, nil).Finish(t.Context(), a)
	ok(t, err)
	_, err = opened(w, method, nil).Keep(t.Context(), providers.Manifest{Format: 1, ID: id, Instance: "test", Artifacts: []providers.Artifact{a}}, a)
	ok(t, err)
	list, findings, err := opened(w, method, nil).List(t.Context())
	ok(t, err)
	if len(list) != 1 || len(findings) > 0 {
		t.Fatal(list, findings)
	}
	return list[0].Artifacts[0]
}

// TestWholeWay restores by both methods to a new cluster with members and our groups, and
// leads Bitbucket to it; the live one stays as it is.
func TestWholeWay(t *testing.T) {
	for _, method := range []string{rds.PointInTime, rds.OfSnapshot} {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t)
			a := kept(t, w, method)
			properties := filepath.Join(t.TempDir(), "bitbucket.properties")
			ok(t, os.WriteFile(properties, []byte("# ours\njdbc.url=jdbc:postgresql://old.example.com:5432/bitbucket?ssl=true\njdbc.user=x\n"), 0o640))
			to, err := opened(w, method, func(c *Config) {
				c.Restore = Restore{Members: 2, Class: "db.r7g.xlarge", ParameterGroup: "ours", SubnetGroup: "inside", SecurityGroups: []string{"sg-1"}, Properties: properties}
			}).Restorer("")
			ok(t, err)
			report, err := to.Check(t.Context(), a)
			ok(t, err)
			if report.Failed() {
				t.Fatal(report.Findings)
			}
			ok(t, to.Restore(t.Context(), a))
			if text := w.Read("bitbucket-restored"); text != "begin" {
				t.Errorf("restored: %q", text)
			}
			if text := w.Read("bitbucket"); text != "after" {
				t.Errorf("the live cluster has %q", text)
			}
			if groups := w.Groups("bitbucket-restored"); groups != "ours inside sg-1" {
				t.Errorf("groups: %q", groups)
			}
			databases, _ := w.Databases()
			if got := strings.Join(databases, " "); got != "bitbucket bitbucket-1 bitbucket-restored bitbucket-restored-1 bitbucket-restored-2" {
				t.Errorf("databases: %s", got)
			}
			text, err := os.ReadFile(properties)
			ok(t, err)
			if want := "# ours\njdbc.url=jdbc:postgresql://bitbucket-restored.cluster.rds.example.com:5432/bitbucket?ssl=true\njdbc.user=x\n"; string(text) != want {
				t.Errorf("settings:\n%s", text)
			}
			ok(t, opened(w, method, nil).Delete(t.Context(), id))
			if _, snapshots := w.Databases(); len(snapshots) > 0 {
				t.Errorf("left: %v", snapshots)
			}
		})
	}
}

// TestMembersFail deletes the new cluster and the members that were made.
func TestMembersFail(t *testing.T) {
	for name, fault := range map[string]lab.Fault{
		"denied": {Action: "CreateDBInstance", Skip: 1, Code: "AccessDenied"},
		"lost":   {Action: "CreateDBInstance", Skip: 1, Lost: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := kept(t, w, rds.OfSnapshot)
			w.Disturb(fault)
			to, err := opened(w, rds.OfSnapshot, func(c *Config) { c.Restore.Members = 2 }).Restorer("new")
			ok(t, err)
			if to.Restore(t.Context(), a) == nil {
				t.Error("nobody noticed")
			}
			if databases, _ := w.Databases(); len(databases) != 2 {
				t.Errorf("databases: %v", databases)
			}
		})
	}
}

// TestPropertiesRefused looks at the settings before anything is made.
func TestPropertiesRefused(t *testing.T) {
	w := newWorld(t)
	a := kept(t, w, rds.OfSnapshot)
	properties := filepath.Join(t.TempDir(), "bitbucket.properties")
	ok(t, os.WriteFile(properties, []byte("jdbc.user=x\n"), 0o600))
	to, err := opened(w, rds.OfSnapshot, func(c *Config) { c.Restore.Properties = properties }).Restorer("new")
	ok(t, err)
	report, err := to.Check(t.Context(), a)
	ok(t, err)
	if !report.Failed() || report.Findings[0].Remedy == "" {
		t.Error(report.Findings)
	}
}

// TestClusterLost restores a cluster that is gone, of the class and in the groups that it had; a
// backup that does not say of what class is refused before anything is made.
func TestClusterLost(t *testing.T) {
	w := newWorld(t)
	s := opened(w, rds.OfSnapshot, nil)
	ok(t, s.Warm(t.Context()))
	a, err := s.Capture(t.Context(), id)
	ok(t, err)
	a, err = s.Finish(t.Context(), a)
	ok(t, err)
	w.Drop("bitbucket")
	to, err := opened(w, rds.OfSnapshot, nil).Restorer("new")
	ok(t, err)
	old := a
	old.Ref = maps.Clone(a.Ref)
	delete(old.Ref, "like")
	report, err := to.Check(t.Context(), old)
	ok(t, err)
	if !report.Failed() || !strings.Contains(report.Findings[0].Remedy, "restore.class") {
		t.Errorf("of what class its instances are nobody knows: %v", report.Findings)
	}
	report, err = to.Check(t.Context(), a)
	ok(t, err)
	if report.Failed() {
		t.Fatal(report.Findings)
	}
	ok(t, to.Restore(t.Context(), a))
	if databases, _ := w.Databases(); strings.Join(databases, " ") != "new new-1" || w.Class("new-1") != "db.r7g.large" {
		t.Errorf("databases: %v, %s", databases, w.Class("new-1"))
	}
}

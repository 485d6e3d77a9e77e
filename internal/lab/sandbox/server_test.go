package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// instance is a sandbox on a socket and a client that knows its password.
type instance struct {
	*Server
	t    *testing.T
	url  string
	user string
	pass string
}

func newInstance(t *testing.T, o Options) *instance {
	t.Helper()
	s := NewServer(o)
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return &instance{Server: s, t: t, url: h.URL + o.ContextPath, user: s.options.User, pass: s.options.Password}
}

type answer struct {
	status int
	body   string
	header http.Header
}

func (i *instance) try(method, path, token string) (answer, error) {
	i.t.Helper()
	r, err := http.NewRequestWithContext(i.t.Context(), method, i.url+path, http.NoBody)
	if err != nil {
		i.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.SetBasicAuth(i.user, i.pass)
	if token != "" {
		r.Header.Set(tokenHeader, token)
	}
	r.Close = true // a kept connection would be retried by the transport
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, string(body), resp.Header}, err
}

func (i *instance) do(method, path, token string) answer {
	i.t.Helper()
	a, err := i.try(method, path, token)
	if err != nil {
		i.t.Fatal(err)
	}
	return a
}

func (i *instance) want(status int, method, path, token string) answer {
	i.t.Helper()
	a := i.do(method, path, token)
	if a.status != status {
		i.t.Errorf("%s %s: status %d, want %d: %s", method, path, a.status, status, a.body)
	}
	return a
}

func decode[T any](t *testing.T, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v in %q", err, a.body)
	}
	return v
}

// start locks, starts and returns both tokens.
func (i *instance) start() (unlock, cancel string) {
	i.t.Helper()
	unlock = decode[lockReply](i.t, i.want(202, "POST", "/mvc/maintenance/lock", "")).UnlockToken
	cancel = decode[taskReply](i.t, i.want(202, "POST", "/mvc/admin/backups?external=true", unlock)).CancelToken
	return unlock, cancel
}

func TestBackup(t *testing.T) {
	for _, context := range []string{"", "/bitbucket"} {
		t.Run("context "+context, func(t *testing.T) {
			i := newInstance(t, Options{ContextPath: context, User: "backup", Password: "s3cret"})
			i.want(200, "GET", "/projects", "")
			i.want(404, "GET", "/mvc/maintenance/lock", "")
			i.want(404, "GET", "/mvc/maintenance", "")
			unlock, _ := i.start()
			if len(unlock) != 40 {
				t.Errorf("unlock token %q, want 40 digits", unlock)
			}
			if a := i.want(503, "GET", "/projects", ""); a.header.Get("Retry-After") != "30" {
				t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
			}
			if a := i.want(200, "GET", "/status", ""); a.body != `{"state":"MAINTENANCE"}` {
				t.Errorf("status %s", a.body)
			}
			i.want(503, "GET", "/rest/api/latest/application-properties", "")
			i.want(503, "GET", "/rest/api/latest/admin/cluster", "")
			if owner := decode[lockReply](t, i.want(200, "GET", "/mvc/maintenance/lock", "")); owner.Owner.Name != "backup" || owner.UnlockToken != "" {
				t.Errorf("lock reports %+v", owner)
			}
			second := decode[apiErrors](t, i.want(409, "POST", "/mvc/maintenance/lock", ""))
			if second.Owner == nil || second.Owner.Name != "backup" {
				t.Errorf("a second lock reports owner %+v", second.Owner)
			}
			m := decode[maintenanceReply](t, i.want(200, "GET", "/mvc/maintenance", unlock))
			if m.Database != Drained || m.SCM != Drained || m.Task.State != Running || m.Task.CancelToken != "" {
				t.Errorf("maintenance %+v, task %+v", m, m.Task)
			}
			i.want(202, "POST", "/mvc/admin/backups/progress/client?percentage=50&token="+unlock, "")
			i.want(400, "POST", "/mvc/admin/backups/progress/client?percentage=49&token="+unlock, "")
			i.want(202, "POST", "/mvc/admin/backups/progress/client?percentage=100&token="+unlock, "")
			i.want(409, "DELETE", "/mvc/maintenance/lock?token=wrong", "")
			i.want(202, "DELETE", "/mvc/maintenance/lock?token="+unlock, "")
			i.want(200, "GET", "/projects", "")
			i.want(404, "GET", "/mvc/maintenance", "")
			i.want(404, "DELETE", "/mvc/maintenance/lock?token="+unlock, "")
			record := i.Locks()[0]
			if record.Outcome != Successful || record.DrainedToComplete() <= 0 || record.Unlocked.Before(record.Completed) {
				t.Errorf("record %+v", record)
			}
			if u := i.Users(); u.OK != 2 || u.Unavailable != 1 || len(u.Outages) != 1 || u.Outages[0].To.IsZero() {
				t.Errorf("users saw %+v", u)
			}
		})
	}
}

func TestCancelDoesNotUnlock(t *testing.T) {
	i := newInstance(t, Options{})
	unlock, cancel := i.start()
	i.want(409, "POST", "/mvc/maintenance?token="+unlock, "")
	i.want(202, "POST", "/mvc/maintenance?token="+cancel, "")
	i.want(503, "GET", "/projects", "")
	i.want(200, "GET", "/mvc/maintenance/lock", "")
	i.want(202, "DELETE", "/mvc/maintenance/lock?token="+unlock, "")
	i.want(200, "GET", "/projects", "")
}

func TestUnlockAloneKeepsTheLatches(t *testing.T) {
	i := newInstance(t, Options{})
	unlock, cancel := i.start()
	i.want(202, "DELETE", "/mvc/maintenance/lock?token="+unlock, "")
	i.want(503, "GET", "/projects", "")
	if m := decode[maintenanceReply](t, i.want(200, "GET", "/mvc/maintenance", "")); m.Task.State != Running || m.Database != Drained {
		t.Errorf("maintenance %+v", m)
	}
	if err := i.Write(t.Context(), func(context.Context) error { t.Error("written"); return nil }); !errors.Is(err, ErrUnavailable) {
		t.Errorf("write: %v", err)
	}
	i.want(202, "POST", "/mvc/maintenance?token="+cancel, "")
	i.want(200, "GET", "/projects", "")
}

func TestCredentials(t *testing.T) {
	admin := []struct{ method, path string }{
		{"POST", "/mvc/maintenance/lock"}, {"GET", "/mvc/maintenance/lock"}, {"DELETE", "/mvc/maintenance/lock"},
		{"POST", "/mvc/admin/backups?external=true"}, {"GET", "/mvc/maintenance"},
		{"POST", "/mvc/admin/backups/progress/client"}, {"POST", "/mvc/maintenance"},
		{"GET", "/rest/api/latest/admin/cluster"}, {"GET", "/rest/api/latest/admin/git/mesh/nodes"},
		{"GET", "/rest/ui/latest/admin/git/mesh/inconsistent-replicas"},
	}
	i := newInstance(t, Options{User: "backup", Password: "right"})
	i.pass = "wrong"
	for _, c := range admin {
		i.want(401, c.method, c.path, "")
	}
	i.want(200, "GET", "/rest/api/latest/application-properties", "")
	i.want(200, "GET", "/status", "")
	i.pass = "right"
	i.ChangeCorners(func(c *Corners) { c.NotAdministrator = true; c.Codes.Denied = 403 })
	for _, c := range admin {
		i.want(403, c.method, c.path, "")
	}
	if s := i.State(); !s.Idle() {
		t.Errorf("a refused call had an effect: %+v", s)
	}
}

func TestJSONIsDemanded(t *testing.T) {
	s := NewServer(Options{})
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/mvc/maintenance/lock", http.NoBody)
	r.SetBasicAuth("admin", "admin")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != http.StatusUnsupportedMediaType || s.State().Locked() {
		t.Errorf("status %d, state %+v", w.Code, s.State())
	}
}

func TestReadOnlyCalls(t *testing.T) {
	i := newInstance(t, Options{Corners: Corners{
		Version:              "8.19.1",
		MeshNodes:            []MeshNode{{ID: 1, Name: "mesh-a", State: "AVAILABLE"}},
		InconsistentReplicas: []Replica{{RepositoryID: 7}},
	}})
	if p := decode[map[string]string](t, i.want(200, "GET", "/rest/api/latest/application-properties", "")); p["version"] != "8.19.1" || p["buildNumber"] == "" {
		t.Errorf("properties %v", p)
	}
	if c := decode[clusterReply](t, i.want(200, "GET", "/rest/api/latest/admin/cluster", "")); len(c.Nodes) != 1 {
		t.Errorf("cluster %+v", c)
	}
	if n := decode[[]MeshNode](t, i.want(200, "GET", "/rest/api/latest/admin/git/mesh/nodes", "")); len(n) != 1 || n[0].Name != "mesh-a" {
		t.Errorf("nodes %+v", n)
	}
	i.ChangeCorners(func(c *Corners) { c.MeshPaged = true })
	if n := decode[page[MeshNode]](t, i.want(200, "GET", "/rest/api/latest/admin/git/mesh/nodes", "")); len(n.Values) != 1 {
		t.Errorf("page of nodes %+v", n)
	}
	if n := decode[page[Replica]](t, i.want(200, "GET", "/rest/ui/latest/admin/git/mesh/inconsistent-replicas", "")); n.Values[0].RepositoryID != 7 {
		t.Errorf("replicas %+v", n)
	}
	if e := decode[apiErrors](t, i.want(404, "GET", "/rest/api/latest/nothing", "")); len(e.Errors) != 1 {
		t.Errorf("errors %+v", e)
	}
}

func TestControl(t *testing.T) {
	i := newInstance(t, Options{})
	stopped := make(chan struct{}, 1)
	control := httptest.NewServer(i.Control(func() { stopped <- struct{}{} }))
	defer control.Close()
	call := func(method, path, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, control.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text)
	}
	if status, text := call("PUT", "/sandbox/corners", `{"version":"9.0.0","drain":"2s","answers":{"lock":[500]}}`); status != 200 || !strings.Contains(text, `"drain":"2s"`) {
		t.Fatalf("put: %d %s", status, text)
	}
	call("PATCH", "/sandbox/corners", `{"stale_polls":3}`)
	if c := i.Corners(); c.Version != "9.0.0" || c.StalePolls != 3 || time.Duration(c.Drain) != 2*time.Second {
		t.Errorf("corners after patch %+v", c)
	}
	if status, text := call("PATCH", "/sandbox/corners", `{"version":"0","nonsense":1}`); status != 400 || i.Corners().Version != "9.0.0" {
		t.Errorf("an unknown corner: %d %s, version %s", status, text, i.Corners().Version)
	}
	i.want(500, "POST", "/mvc/maintenance/lock", "")
	call("POST", "/sandbox/lock?owner=jane", "")
	if _, text := call("GET", "/sandbox/state", ""); !strings.Contains(text, "jane") {
		t.Errorf("state %s", text)
	}
	if status, _ := call("POST", "/sandbox/fail", ""); status != 409 {
		t.Errorf("fail without a backup: %d", status)
	}
	call("POST", "/sandbox/restart", "")
	if i.State().Locked() {
		t.Error("locked after a restart")
	}
	if _, text := call("GET", "/sandbox/log", ""); !strings.Contains(text, `"call":"lock"`) {
		t.Errorf("log %s", text)
	}
	call("POST", "/sandbox/stop", "")
	<-stopped
}

func TestControlAnswersThisMachineOnly(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"another machine": func(r *http.Request) { r.RemoteAddr = "192.0.2.7:4711" },
		"another name":    func(r *http.Request) { r.Host = "rebound.example.com:80" },
	} {
		t.Run(name, func(t *testing.T) {
			s := NewServer(Options{})
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/sandbox/lock", http.NoBody)
			r.RemoteAddr, r.Host = "127.0.0.1:4711", "127.0.0.1:80"
			change(r)
			w := httptest.NewRecorder()
			s.Control(nil).ServeHTTP(w, r)
			if w.Code != http.StatusForbidden || s.State().Locked() {
				t.Errorf("status %d, state %+v", w.Code, s.State())
			}
		})
	}
}

package sandbox

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Options of a Server.
type Options struct {
	// User and Password of the one administrator. Both empty: "admin", "admin".
	User, Password string
	// ContextPath under which the instance lives, such as "/bitbucket".
	ContextPath string
	Corners     Corners
	// Mesh returns the home whose Mesh nodes are listed where the corners name none;
	// nil, or a nil home, for none.
	Mesh func() *Home
}

// Server is a Bitbucket, as an http.Handler. It is safe for concurrent use and
// needs no closing.
type Server struct {
	options Options
	handler http.Handler
	machine machine

	mu      sync.Mutex
	corners Corners
	stale   int // polls that still reach a node without the task
	log     requestLog
}

// NewServer returns an idle instance.
func NewServer(o Options) *Server {
	if o.User == "" && o.Password == "" {
		o.User, o.Password = "admin", "admin"
	}
	o.ContextPath = strings.TrimRight(o.ContextPath, "/")
	s := &Server{options: o, corners: o.Corners.clone()}
	s.handler = s.routes()
	if o.ContextPath != "" {
		s.handler = http.StripPrefix(o.ContextPath, s.handler)
	}
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Corners returns the corners with what is left of their counts.
func (s *Server) Corners() Corners {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.corners.clone()
}

// ChangeCorners lets f change the corners; no call meets them half-changed.
// f must not call the server.
func (s *Server) ChangeCorners(f func(*Corners)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.corners.clone()
	f(&c)
	s.corners = c.clone()
}

// State is where the instance stands.
func (s *Server) State() State { return s.machine.state() }

// LockAs locks the instance for somebody else, with a token that nobody gets.
// It does nothing when the instance is locked already.
func (s *Server) LockAs(o Owner) { _, _, _ = s.machine.lock(o) }

// Restart does what a restart of the instance does to a lock and a task.
func (s *Server) Restart() { s.machine.restart(s.Corners().RestartKeepsLock) }

// FailTask ends a running backup as FAILED, by the instance's own doing. The
// lock stays. Without a running backup it is an error.
func (s *Server) FailTask() error { return s.machine.fail() }

// access is who may make a call, and when.
type access struct {
	admin  bool // needs the administrator
	always bool // answered while locked, too
	writes bool // must say that its body is JSON
}

// reply is an answer before it is sent, so that it can be lost.
type reply struct {
	status int
	body   []byte
	header map[string]string
}

// patterns are where the calls of the interface are found.
var patterns = map[Call]string{
	CallLock:         "POST /mvc/maintenance/lock",
	CallLockState:    "GET /mvc/maintenance/lock",
	CallUnlock:       "DELETE /mvc/maintenance/lock",
	CallStart:        "POST /mvc/admin/backups",
	CallMaintenance:  "GET /mvc/maintenance",
	CallProgress:     "POST /mvc/admin/backups/progress/client",
	CallCancel:       "POST /mvc/maintenance",
	CallProperties:   "GET /rest/api/latest/application-properties",
	CallStatus:       "GET /status",
	CallCluster:      "GET /rest/api/latest/admin/cluster",
	CallMeshNodes:    "GET /rest/api/latest/admin/git/mesh/nodes",
	CallMeshReplicas: "GET /rest/ui/latest/admin/git/mesh/inconsistent-replicas",
	CallPage:         "/",
}

// CallOf returns the name of the call that the request makes of this server,
// which is CallPage for everything that is no call of the interface.
func (s *Server) CallOf(r *http.Request) Call {
	path := strings.TrimPrefix(r.URL.Path, s.options.ContextPath)
	for name, pattern := range patterns {
		if pattern == r.Method+" "+path {
			return name
		}
	}
	return CallPage
}

func (s *Server) routes() http.Handler {
	maintenance := access{admin: true, always: true}
	change := access{admin: true, always: true, writes: true}
	administrator := access{admin: true}
	mux := http.NewServeMux()
	for name, f := range map[Call]struct {
		access access
		serve  func(*http.Request) reply
	}{
		CallLock:         {change, s.postLock},
		CallLockState:    {maintenance, s.getLock},
		CallUnlock:       {change, s.deleteLock},
		CallStart:        {change, s.postBackup},
		CallMaintenance:  {maintenance, s.getMaintenance},
		CallProgress:     {change, s.postProgress},
		CallCancel:       {change, s.postCancel},
		CallProperties:   {access{}, s.getProperties},
		CallStatus:       {access{always: true}, s.getStatus},
		CallCluster:      {administrator, s.getCluster},
		CallMeshNodes:    {administrator, s.getMeshNodes},
		CallMeshReplicas: {administrator, s.getInconsistentReplicas},
		// The page asks the gate itself, for it is what users see.
		CallPage: {access{always: true}, s.getPage},
	} {
		mux.Handle(patterns[name], s.call(name, f.access, f.serve))
	}
	return mux
}

// call makes a handler of f: corners, credentials, the lock and the log.
func (s *Server) call(name Call, a access, f func(*http.Request) reply) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		s.mu.Lock()
		fate := s.corners.draw(name)
		s.mu.Unlock()

		entry := Request{Time: began, Call: name, Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery}
		time.Sleep(fate.delay)
		if fate.reset {
			s.note(entry)
			HangUp(w, true)
			return
		}
		answer := s.answer(name, a, fate, f, r)
		if fate.body != "" && answer.status < 300 {
			answer.body = []byte(fate.body)
		}
		entry.Status, entry.Lost = answer.status, fate.lose
		s.note(entry)
		if fate.lose {
			HangUp(w, false)
			return
		}
		send(w, answer)
	})
}

func (s *Server) answer(name Call, a access, d fate, f func(*http.Request) reply, r *http.Request) reply {
	c := s.Corners()
	if d.answer != 0 {
		return failure(d.answer, "the sandbox was asked for this answer")
	}
	if name != CallStatus && c.NodeState != "" && c.NodeState != "RUNNING" && c.NodeState != "MAINTENANCE" {
		return unavailable(c)
	}
	if a.admin && !s.authentic(r) {
		refusal := failure(http.StatusUnauthorized, "Authentication failed. Please check your credentials and try again.")
		refusal.header = map[string]string{"WWW-Authenticate": `Basic realm="Atlassian Bitbucket"`}
		return refusal
	}
	if a.admin && c.NotAdministrator {
		return failure(code(c.Codes.Denied, http.StatusUnauthorized), "You are not permitted to access this resource")
	}
	if a.writes && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		return failure(http.StatusUnsupportedMediaType, "Content-Type must be application/json")
	}
	if state := s.State(); !a.always && (state.Locked() || state.Database != Available) {
		return unavailable(c)
	}
	return f(r)
}

// authentic compares digests, in constant time.
func (s *Server) authentic(r *http.Request) bool {
	user, password, _ := r.BasicAuth()
	got := sha256.Sum256([]byte(user + "\x00" + password))
	want := sha256.Sum256([]byte(s.options.User + "\x00" + s.options.Password))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// HangUp closes the connection of a request without a reply; with reset, by a
// TCP reset. Where the connection cannot be taken over it panics with
// http.ErrAbortHandler, which the server of net/http and TransportTo take for
// the same.
func HangUp(w http.ResponseWriter, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		// Not a connection that can be taken over, such as HTTP/2.
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func send(w http.ResponseWriter, r reply) {
	if len(r.body) > 0 && bytes.HasPrefix(bytes.TrimSpace(r.body), []byte("{")) || bytes.HasPrefix(r.body, []byte("[")) {
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	}
	for name, value := range r.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body)
}

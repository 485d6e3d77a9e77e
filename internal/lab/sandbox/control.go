package sandbox

import (
	"io"
	"net"
	"net/http"
	"time"
)

// Report is the whole of the sandbox at one instant, for scripts.
type Report struct {
	State    State        `json:"state"`
	Corners  Corners      `json:"corners"`
	Users    Users        `json:"users"`
	Locks    []LockReport `json:"locks"`
	Requests map[Call]int `json:"requests"`
	// DrainedToComplete is of the last lock; 0 until its backup has ended.
	DrainedToComplete time.Duration `json:"drained_to_complete_ns"`
}

// LockReport is a lock with the times between its instants.
type LockReport struct {
	LockRecord
	DrainedToNoticed  time.Duration `json:"drained_to_noticed_ns"`
	DrainedToComplete time.Duration `json:"drained_to_complete_ns"`
}

// Report returns the whole of the sandbox at one instant.
func (s *Server) Report() Report {
	r := Report{State: s.State(), Corners: s.Corners(), Users: s.Users(), Requests: s.Counts()}
	for _, l := range s.Locks() {
		r.Locks = append(r.Locks, LockReport{l, l.DrainedToNoticed(), l.DrainedToComplete()})
	}
	if n := len(r.Locks); n > 0 {
		r.DrainedToComplete = r.Locks[n-1].DrainedToComplete
	}
	return r
}

// Control returns the handler by which scripts drive the sandbox. It belongs
// on a listener of its own: it asks for no password and answers this machine
// only.
//
//	GET   /sandbox/state    a Report
//	GET   /sandbox/log      the last requests
//	GET   /sandbox/corners  the corners
//	PUT   /sandbox/corners  replaces them; what is not named is as documented
//	PATCH /sandbox/corners  changes those named
//	POST  /sandbox/lock?owner=NAME   somebody else takes the lock
//	POST  /sandbox/fail     the running backup fails
//	POST  /sandbox/restart  the instance restarts
//	POST  /sandbox/mesh/behind?node=NAME  a Mesh node takes no writes any more
//	POST  /sandbox/mesh/repair            all do, and have what the others have
//	POST  /sandbox/stop     calls stop, which must return at once; nil: 404
func (s *Server) Control(stop func()) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sandbox/state", func(w http.ResponseWriter, _ *http.Request) {
		send(w, withJSON(http.StatusOK, s.Report()))
	})
	mux.HandleFunc("GET /sandbox/log", func(w http.ResponseWriter, _ *http.Request) {
		send(w, withJSON(http.StatusOK, s.Requests()))
	})
	mux.HandleFunc("GET /sandbox/corners", func(w http.ResponseWriter, _ *http.Request) {
		send(w, withJSON(http.StatusOK, s.Corners()))
	})
	mux.HandleFunc("PUT /sandbox/corners", func(w http.ResponseWriter, r *http.Request) {
		send(w, s.changeCorners(r, func(c *Corners) { *c = Corners{} }))
	})
	mux.HandleFunc("PATCH /sandbox/corners", func(w http.ResponseWriter, r *http.Request) {
		send(w, s.changeCorners(r, func(*Corners) {}))
	})
	mux.HandleFunc("POST /sandbox/lock", func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Query().Get("owner")
		if name == "" {
			name = "somebody"
		}
		s.LockAs(Owner{DisplayName: name, Name: name})
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /sandbox/fail", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.FailTask(); err != nil {
			send(w, failure(http.StatusConflict, err.Error()))
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /sandbox/restart", func(w http.ResponseWriter, _ *http.Request) {
		s.Restart()
		w.WriteHeader(http.StatusNoContent)
	})
	s.controlMesh(mux)
	if stop != nil {
		mux.HandleFunc("POST /sandbox/stop", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			stop()
		})
	}
	return LoopbackOnly(mux)
}

func (s *Server) controlMesh(mux *http.ServeMux) {
	do := func(f func(*Home, *http.Request) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			h := s.mesh()
			if h == nil {
				send(w, failure(http.StatusNotFound, "the sandbox has no Mesh nodes"))
				return
			}
			if err := f(h, r); err != nil {
				send(w, failure(http.StatusBadRequest, err.Error()))
				return
			}
			w.WriteHeader(http.StatusNoContent)
		}
	}
	mux.HandleFunc("POST /sandbox/mesh/behind", do(func(h *Home, r *http.Request) error { return h.FallBehind(r.URL.Query().Get("node")) }))
	mux.HandleFunc("POST /sandbox/mesh/repair", do(func(h *Home, _ *http.Request) error { return h.Repair() }))
}

// changeCorners decodes the request's corners over the present ones, which
// first prepares. What cannot be decoded changes nothing.
func (s *Server) changeCorners(r *http.Request, first func(*Corners)) reply {
	text, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return failure(http.StatusBadRequest, "corners: "+err.Error())
	}
	s.ChangeCorners(func(c *Corners) {
		changed := c.clone()
		first(&changed)
		if err = changed.Merge(text); err == nil {
			*c = changed
		}
	})
	if err != nil {
		return failure(http.StatusBadRequest, "corners: "+err.Error())
	}
	return withJSON(http.StatusOK, s.Corners())
}

// LoopbackOnly refuses other machines. A Host that is a name is refused too:
// a web page that resolves to this machine must not drive the sandbox.
func LoopbackOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback(r.RemoteAddr) || !isLoopback(r.Host) {
			send(w, failure(http.StatusForbidden, "the control interface answers this machine only"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isLoopback(address string) bool {
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		name = address
	}
	if name == "localhost" {
		return true
	}
	ip := net.ParseIP(name)
	return ip != nil && ip.IsLoopback()
}

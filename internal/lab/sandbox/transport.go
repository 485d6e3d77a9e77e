package sandbox

import (
	"errors"
	"net/http"
	"net/http/httptest"
)

var errHungUp = errors.New("connection reset by the sandbox")

// Transport reaches the server without a network, so that tests can simulate
// time. Like a real one, the server goes on with a call that its client has
// given up.
func (s *Server) Transport() http.RoundTripper { return TransportTo(s) }

// TransportTo reaches any handler as Server.Transport reaches the server, such
// as a proxy in front of it.
func TransportTo(h http.Handler) http.RoundTripper { return transport{h} }

type transport struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	// What the server sees is a request of its own: the client's context ends
	// the waiting, not the work.
	seen := r.Clone(r.Context())
	seen.RemoteAddr = "127.0.0.1:1"
	ended := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				ended <- errHungUp
			}
		}()
		t.handler.ServeHTTP(w, seen)
		ended <- nil
	}()
	select {
	case err := <-ended:
		if err != nil {
			return nil, err
		}
		resp := w.Result()
		resp.Request = r
		return resp, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

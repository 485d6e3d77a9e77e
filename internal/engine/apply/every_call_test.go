package apply_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"bkp/internal/bitbucket"
	"bkp/internal/engine/apply"
	"bkp/internal/secret"
)

// faults are what can happen to one call.
var faults = map[string]func(http.ResponseWriter, *http.Request, http.Handler){
	"connection reset": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { hangUp(w) },
	"reply lost": func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(httptest.NewRecorder(), r)
		hangUp(w)
	},
	"answers 500": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.WriteHeader(http.StatusInternalServerError)
	},
	"answers 200 with nonsense": func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(httptest.NewRecorder(), r)
		_, _ = w.Write([]byte("<html>"))
	},
}

func hangUp(http.ResponseWriter) { panic(http.ErrAbortHandler) }

// TestEveryCallMayFail lets call number N go wrong, for every N and each kind
// of fault: the instance always ends unlocked with no task running, or the
// error says that it may be locked, which only a lost lock may lead to.
func TestEveryCallMayFail(t *testing.T) {
	var injected atomic.Int64
	t.Cleanup(func() { t.Logf("%d faults", injected.Load()) })
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // much of it is waiting
			for n := int64(1); ; n++ {
				b := newBench(t)
				var calls, lockCall atomic.Int64
				ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					this := calls.Add(1)
					if r.Method == http.MethodPost && r.URL.Path == "/mvc/maintenance/lock" {
						lockCall.Store(this)
					}
					if this == n {
						fault(w, r, b.server)
						return
					}
					b.server.ServeHTTP(w, r)
				}))
				client, err := bitbucket.New(bitbucket.Config{URL: ts.URL, Username: "admin", Password: secret.New("admin")})
				if err != nil {
					t.Fatal(err)
				}
				b.run.Instance = client
				_, err = b.run.Do(t.Context())
				client.Close()
				ts.Close()
				if calls.Load() < n {
					break // every call had its turn
				}
				injected.Add(1)
				mayBeLocked := errors.Is(err, apply.ErrMayBeLocked)
				if mayBeLocked && n != lockCall.Load() {
					t.Errorf("call %d: %v", n, err)
				}
				if !mayBeLocked {
					b.clean(t)
				}
				if err != nil && !mayBeLocked && !b.part.did("discard") {
					t.Errorf("call %d: nothing was discarded after %v", n, err)
				}
			}
		})
	}
}

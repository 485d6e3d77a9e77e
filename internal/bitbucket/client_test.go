package bitbucket_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bkp/internal/bitbucket"
	"bkp/internal/secret"
)

const (
	password = "the-password"
	unlock   = "the-unlock-token"
	cancel   = "the-cancel-token"
)

func lease() bitbucket.Lease {
	return bitbucket.Lease{UnlockToken: secret.New(unlock), CancelToken: secret.New(cancel)}
}

// serve starts a server and a client of it.
func serve(t *testing.T, h http.HandlerFunc) *bitbucket.Client {
	t.Helper()
	ts := httptest.NewServer(h)
	t.Cleanup(ts.Close)
	return client(t, ts.URL)
}

func client(t *testing.T, url string) *bitbucket.Client {
	t.Helper()
	c, err := bitbucket.New(bitbucket.Config{URL: url, Username: "admin", Password: secret.New(password)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// calls are all that send a secret or get one.
func calls(c *bitbucket.Client) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"lock":        func(ctx context.Context) error { _, err := c.Lock(ctx); return err },
		"start":       func(ctx context.Context) error { _, err := c.Start(ctx, lease()); return err },
		"owner":       func(ctx context.Context) error { _, _, err := c.LockOwner(ctx); return err },
		"maintenance": func(ctx context.Context) error { _, err := c.Maintenance(ctx, lease()); return err },
		"complete":    func(ctx context.Context) error { return c.Complete(ctx, lease()) },
		"release":     func(ctx context.Context) error { return c.Release(ctx, lease()) },
		"unlock":      func(ctx context.Context) error { return c.Unlock(ctx, lease()) },
	}
}

func TestCredentialsStayAtHome(t *testing.T) {
	var visits atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		visits.Add(1)
		_, _ = w.Write([]byte("{}"))
	}))
	defer elsewhere.Close()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL+r.URL.RequestURI(), http.StatusTemporaryRedirect)
	})
	for name, call := range calls(c) {
		ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
		err := call(ctx)
		stop()
		var status *bitbucket.StatusError
		if !errors.As(err, &status) || !strings.HasPrefix(status.Location, elsewhere.URL) {
			t.Errorf("%s: %v", name, err)
		}
		showsNoSecret(t, name, err)
	}
	if n := visits.Load(); n > 0 {
		t.Errorf("the other host was called %d times", n)
	}
}

func TestACallThatChangesIsNotReplayedByARedirect(t *testing.T) {
	var followed atomic.Int32
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/moved/") {
			followed.Add(1)
			return
		}
		http.Redirect(w, r, "/moved"+r.URL.Path, http.StatusTemporaryRedirect)
	})
	if _, err := c.Lock(t.Context()); err == nil || followed.Load() > 0 {
		t.Errorf("followed %d times, %v", followed.Load(), err)
	}
}

func showsNoSecret(t *testing.T, name string, err error) {
	t.Helper()
	for _, s := range []string{password, unlock, cancel} {
		if err != nil && strings.Contains(err.Error(), s) {
			t.Errorf("%s shows %q: %v", name, s, err)
		}
	}
}

// TestNoErrorShowsASecret lets the server quote all it knows, in every form.
func TestNoErrorShowsASecret(t *testing.T) {
	replies := map[string]func(http.ResponseWriter, *http.Request){
		"refusal": func(w http.ResponseWriter, r *http.Request) {
			_, sent, _ := r.BasicAuth()
			quoted := fmt.Sprint(sent, r.Header, r.URL)
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]any{"message": "no: " + quoted}}})
		},
		"torn reply": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"unlockToken": %q, "cancelToken": %q, `, unlock, cancel)
		},
		"no reply": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"redirect": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere?token="+unlock+"&cancel="+cancel)
			w.WriteHeader(http.StatusFound)
		},
	}
	for reply, answer := range replies {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/elsewhere" {
				answer(w, r)
			}
		})
		for name, call := range calls(c) {
			ctx, stop := context.WithTimeout(t.Context(), 150*time.Millisecond)
			showsNoSecret(t, reply+" to "+name, call(ctx))
			stop()
		}
	}
}

func TestRetryAfterDoesNotKeepUsersWaiting(t *testing.T) {
	var n atomic.Int32
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodDelete:
			says(w, http.StatusOK, `{"state":"RUNNING"}`)
		case n.Add(1) < 3:
			w.Header().Set("Retry-After", "30")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	begun := time.Now()
	if err := c.Unlock(t.Context(), lease()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > 25*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestALockThatMayComeLaterIsDistinguished(t *testing.T) {
	blocked := make(chan struct{})
	slow := serve(t, func(http.ResponseWriter, *http.Request) { <-blocked })
	defer close(blocked)
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if _, err := slow.Lock(ctx); !errors.Is(err, bitbucket.ErrUnknown) || !errors.Is(err, bitbucket.ErrUnderWay) {
		t.Errorf("no reply in time: %v", err)
	}
	gateway := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGatewayTimeout) })
	if _, err := gateway.Lock(t.Context()); !errors.Is(err, bitbucket.ErrUnderWay) {
		t.Errorf("gateway timeout: %v", err)
	}
	ts := httptest.NewServer(http.NotFoundHandler())
	ts.Close()
	if _, err := client(t, ts.URL).Lock(t.Context()); err == nil || errors.Is(err, bitbucket.ErrUnknown) {
		t.Errorf("never sent, but: %v", err)
	}
}

// says writes a reply in the form of Bitbucket's.
func says(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// running answers a poll like an instance whose task runs until ended is true.
func running(w http.ResponseWriter, ended bool) {
	state := "RUNNING"
	if ended {
		state = "SUCCESSFUL"
	}
	says(w, http.StatusOK, `{"task":{"state":"`+state+`"},"db-state":"DRAINED","scm-state":"DRAINED"}`)
}

func TestCompleteReachesATaskThatOneNodeDoesNotKnow(t *testing.T) {
	var asked atomic.Int32
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodGet:
			running(w, asked.Load() > 1)
		case asked.Add(1) == 1:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	if err := c.Complete(t.Context(), lease()); err != nil || asked.Load() != 2 {
		t.Errorf("asked %d times, %v", asked.Load(), err)
	}
}

func TestATaskThatCannotBeCancelledIsCompleted(t *testing.T) {
	var completed, unlocked atomic.Bool
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/status" && unlocked.Load():
			says(w, http.StatusOK, `{"state":"RUNNING"}`)
		case r.URL.Path == "/mvc/maintenance" && r.Method == http.MethodGet:
			running(w, completed.Load())
		case r.Method == http.MethodDelete:
			unlocked.Store(true)
		case strings.HasSuffix(r.URL.Path, "/progress/client"):
			completed.Store(true)
		default:
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	if err := c.Release(ctx, lease()); err != nil || !completed.Load() || !unlocked.Load() {
		t.Errorf("completed %t, unlocked %t, %v", completed.Load(), unlocked.Load(), err)
	}
}

func TestStillOursDistinguishesAnInterruptionFromALoss(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	boom := errors.New("boom")
	ctx, stop := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { stop(boom) })
	if err := c.StillOurs(ctx, lease(), 5*time.Second); !errors.Is(err, boom) || errors.Is(err, bitbucket.ErrLost) {
		t.Errorf("got %v", err)
	}
	if err := c.StillOurs(t.Context(), lease(), 50*time.Millisecond); !errors.Is(err, bitbucket.ErrLost) {
		t.Errorf("got %v", err)
	}
}

func redirectTo(base string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, base+r.URL.RequestURI(), http.StatusFound)
	})
}

package post_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bkp/internal/post"
	"bkp/internal/problem"
	"bkp/internal/secret"
)

const (
	path  = "/services/T0SECRET/B0SECRET"
	token = "hunter2-token"
)

func request(url string) post.Request {
	return post.Request{
		Method: http.MethodPost, URL: secret.New(url + path + "?key=hunter2-query"), Header: http.Header{"Authorization": {"Bearer " + token}},
		Body: "hello", Timeout: 5 * time.Second, Secrets: []secret.String{secret.New(token)},
	}
}

// noSecret fails if an error has a part of what only the server may know.
func noSecret(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, s := range []string{"T0SECRET", "B0SECRET", "hunter2"} {
		if strings.Contains(err.Error()+problem.Remedy(err), s) {
			t.Errorf("the error has %s: %v", s, err)
		}
	}
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func TestSend(t *testing.T) {
	var got string
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r.Method + " " + r.URL.Path + " " + r.Header.Get("Authorization") + " " + string(body)
	})
	if err := post.Send(t.Context(), request(s.URL)); err != nil || got != "POST "+path+" Bearer "+token+" hello" {
		t.Errorf("%v, got %q", err, got)
	}
}

// TestAServerThatIsBusyIsAskedAgain: one that recovers gets the message, one that
// does not is given up after three attempts, and a refusal is final.
func TestAServerThatIsBusyIsAskedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		codes []int
		asked int32
		good  bool
	}{
		"recovers": {[]int{503, 429, 200}, 3, true},
		"stays":    {[]int{500}, 3, false},
		"refuses":  {[]int{403}, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int32
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				i := int(n.Add(1)) - 1
				w.WriteHeader(c.codes[min(i, len(c.codes)-1)])
				_, _ = io.WriteString(w, "no: "+r.URL.String()+" "+r.Header.Get("Authorization"))
			})
			err := post.Send(t.Context(), request(s.URL))
			if n.Load() != c.asked || (err == nil) != c.good {
				t.Errorf("asked %d times: %v", n.Load(), err)
			}
			if !c.good {
				noSecret(t, err) // though the answer repeats it
			}
		})
	}
}

// TestARedirectIsNotFollowed: neither the address nor the headers go to another
// server, whatever kind of redirect it is.
func TestARedirectIsNotFollowed(t *testing.T) {
	var reached atomic.Int32
	other := serve(t, func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	for _, code := range []int{301, 302, 303, 307, 308} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+path, code)
		})
		err := post.Send(t.Context(), request(s.URL))
		noSecret(t, err)
		if reached.Load() > 0 || !strings.Contains(err.Error(), "redirect to "+strings.TrimPrefix(other.URL, "http://")) {
			t.Errorf("%d: reached %d times: %v", code, reached.Load(), err)
		}
	}
}

// TestASilentServerHoldsUpNobody: neither one that accepts and does not answer, nor one
// that begins an answer and hangs in it.
func TestASilentServerHoldsUpNobody(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	half := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		w.WriteHeader(http.StatusForbidden)
		w.(http.Flusher).Flush()
		_, _ = io.Copy(io.Discard, r.Body) // before that the server does not see that the client is gone
		<-r.Context().Done()
	})
	for _, url := range []string{"http://" + l.Addr().String(), half.URL} {
		r := request(url)
		r.Timeout = 200 * time.Millisecond
		begun := time.Now()
		err := post.Send(t.Context(), r)
		noSecret(t, err)
		if time.Since(begun) > 5*time.Second {
			t.Errorf("it took %s", time.Since(begun))
		}
	}
}

func TestACancelledSendEnds(t *testing.T) {
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	r := request(s.URL)
	r.Timeout = time.Hour
	time.AfterFunc(50*time.Millisecond, cancel)
	noSecret(t, post.Send(ctx, r))
}

func TestNobodyListens(t *testing.T) {
	r := request("http://127.0.0.1:1")
	err := post.Send(t.Context(), r)
	noSecret(t, err)
	if problem.Remedy(err) == "" || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Error(err)
	}
}

func TestCheckURL(t *testing.T) {
	for address, good := range map[string]bool{
		"https://x.example/a": true, "http://x": true, "": false, "x.example": false, "ftp://x": false, "https://": false, "http://[": false,
	} {
		if what := post.CheckURL(secret.New(address)); (what == "") != good {
			t.Errorf("%q: %q", address, what)
		}
	}
}

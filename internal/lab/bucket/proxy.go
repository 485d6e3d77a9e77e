package bucket

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// Trouble is what happens to one request.
type Trouble string

// What a network and a store can do.
const (
	// Dropped is a connection that is closed before the request comes through.
	Dropped Trouble = "dropped"
	// Unanswered is one that is closed once the store has done what was asked.
	Unanswered Trouble = "unanswered"
	// Silent is one that never answers, and stays open.
	Silent Trouble = "silent"
	// Truncated is an answer that ends in the middle of its body.
	Truncated Trouble = "truncated"
	// Unconditional is a request whose condition (If-None-Match) gets lost, as a store
	// drops it that does not know it. A store that checks signatures notices.
	Unconditional Trouble = "unconditional"
	// SlowDown is what a store says that has too much to do.
	SlowDown Trouble = "503 SlowDown"
	// Expired is what it says of keys that were valid for a time.
	Expired Trouble = "403 ExpiredToken"
	// Corrupt is a request of whose body a bit is flipped.
	Corrupt Trouble = "corrupt"
)

// Refused is what a store answers with a status and a code of S3.
func Refused(status int, code string) Trouble { return Trouble(fmt.Sprintf("%d %s", status, code)) }

// Proxy returns the bucket as it is seen through a proxy, which asks what is to
// happen to each request; "" is nothing.
func (b Bucket) Proxy(t testing.TB, trouble func(*http.Request) Trouble) Bucket {
	t.Helper()
	to, err := url.Parse(b.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host }, // the host is signed
		FlushInterval: -1,
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		disturb(w, r, trouble(r), forward, over)
	}))
	t.Cleanup(func() {
		close(over)
		server.Close()
	})
	out := b
	out.Endpoint = server.URL
	return out
}

func disturb(w http.ResponseWriter, r *http.Request, what Trouble, forward http.Handler, over <-chan struct{}) {
	switch what {
	case Dropped:
		panic(http.ErrAbortHandler)
	case Unanswered:
		forward.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case Silent:
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
		case <-over:
		}
	case Truncated:
		truncate(w, r, forward)
	case Unconditional:
		r.Header.Del("If-None-Match")
		forward.ServeHTTP(w, r)
	case Corrupt:
		body, err := io.ReadAll(r.Body)
		if err == nil && len(body) > 0 {
			body[len(body)/2] ^= 1
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		forward.ServeHTTP(w, r)
	case "":
		forward.ServeHTTP(w, r)
	default:
		status, code, _ := strings.Cut(string(what), " ")
		number, err := strconv.Atoi(status)
		if err != nil {
			panic(err)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		refuse(w, number, code)
	}
}

// truncate announces all of an answer, and sends half of its body.
func truncate(w http.ResponseWriter, r *http.Request, forward http.Handler) {
	whole := httptest.NewRecorder()
	forward.ServeHTTP(whole, r)
	body := whole.Body.Bytes()
	for name, values := range whole.Header() {
		w.Header()[name] = values
	}
	if len(body) == 0 || r.Method == http.MethodHead {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(whole.Code)
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message></Error>`, code, code)
}

// Answering returns the bucket as it is seen through a proxy that answers some
// requests by itself, with an error of S3; without a code, as if all were well.
func (b Bucket) Answering(t testing.TB, status int, code string, to func(*http.Request) bool) Bucket {
	t.Helper()
	through := b.Proxy(t, func(*http.Request) Trouble { return "" })
	u, err := url.Parse(through.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(u)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !to(r):
			forward.ServeHTTP(w, r)
		case code == "":
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("ETag", `"00"`)
			w.WriteHeader(status)
		default:
			_, _ = io.Copy(io.Discard, r.Body)
			refuse(w, status, code)
		}
	}))
	t.Cleanup(server.Close)
	out := b
	out.Endpoint = server.URL
	return out
}

package bitbucket

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bkp/internal/secret"
)

// says is an instance that gives the same reply to everything.
type says struct {
	status   int
	location string
	body     []byte
}

func (s says) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: s.status, Header: http.Header{"Location": {s.location}}, Request: req, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader(s.body)), ContentLength: int64(len(s.body)),
	}, nil
}

// FuzzReply proves that no reply makes the client panic, repeats a secret in an
// error, or fills a screen with one.
func FuzzReply(f *testing.F) {
	for _, body := range []string{
		"", "{}", "null", "[]", "<html>", `{"unlockToken":"u"}`, `{"cancelToken":"c"}`, `{"state":"RUNNING"}`, `{"unlockToken":1e999}`,
		`{"task":{"id":"1","state":"RUNNING","type":"BACKUP","progress":{"percentage":50}},"db-state":"DRAINED","scm-state":"DRAINED"}`,
		`{"errors":[{"message":"no the-password here"},{"message":"nor the-unlock"}]}`, strings.Repeat("x", 75) + "the-password", "Basic YWRtaW46dGhlLXBhc3N3b3Jk", `{"message":"` + strings.Repeat("long ", 2000) + `"}`,
		`{"owner":{"name":"admin","displayName":"\u001b[2J"}}`, `{"version":"8.9.0","buildNumber":"8009000"}`,
	} {
		for _, status := range []int{200, 202, 302, 401, 404, 409, 500} {
			f.Add(status, "http://elsewhere/?token=the-unlock", []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, code int, location string, body []byte) {
		if code < 200 || code > 599 {
			return
		}
		// In a bubble the client's waits before it tries again take no time.
		synctest.Test(t, func(t *testing.T) { reply(t, code, location, body) })
	})
}

func reply(t *testing.T, code int, location string, body []byte) {
	t.Helper()
	h := &http.Client{Transport: says{code, location, body}, CheckRedirect: sameHostOnly}
	once := retrying(h, 0)
	c := &Client{
		base: &url.URL{Scheme: "http", Host: "bitbucket"}, config: Config{Username: "admin", Password: secret.New("the-password")},
		once: once, quick: once,
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	lease := Lease{UnlockToken: secret.New("the-unlock"), CancelToken: secret.New("the-cancel")}
	_, errProperties := c.Properties(ctx)
	_, errStatus := c.Status(ctx)
	_, _, errOwner := c.LockOwner(ctx)
	_, errLock := c.Lock(ctx)
	_, errStart := c.Start(ctx, lease)
	_, errState := c.Maintenance(ctx, lease)
	known := []string{"the-password", "YWRtaW46dGhlLXBhc3N3b3Jk"}
	clean(t, known, errProperties, errStatus, errOwner, errLock)
	clean(t, append(known, "the-unlock", "the-cancel"), errStart, errState, c.Complete(ctx, lease), c.Release(ctx, lease), c.Unlock(ctx, lease))
}

// A secret at the place where a reply is truncated would lose its end, and not be
// recognised any more.
func TestNoErrorShowsAPartOfASecret(t *testing.T) {
	h := &http.Client{Transport: says{http.StatusOK, "", []byte(strings.Repeat("x", maxStart-8) + "the-password")}}
	once := retrying(h, 0)
	c := &Client{
		base: &url.URL{Scheme: "http", Host: "bitbucket"}, config: Config{Username: "admin", Password: secret.New("the-password")},
		once: once, quick: once,
	}
	if _, err := c.Properties(t.Context()); err == nil || !strings.Contains(err.Error(), "xxx") || strings.Contains(err.Error(), "the-") {
		t.Errorf("got %v", err)
	}
}

func clean(t *testing.T, secrets []string, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err == nil {
			continue
		}
		text := err.Error()
		for _, s := range secrets {
			if strings.Contains(text, s) {
				t.Errorf("%q in %s", s, text)
			}
		}
		if len(text) > 3000 {
			t.Errorf("%d bytes of error", len(text))
		}
	}
}

package debuglog_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bkp/internal/debuglog"
	"bkp/internal/secret"
)

// environment is one with these variables.
func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

// logged is what some code logs.
func logged(t *testing.T, level string, code func(ctx context.Context)) string {
	t.Helper()
	var out bytes.Buffer
	l, warnings := debuglog.Open(environment(debuglog.Variable, level), &out)
	if len(warnings) > 0 {
		t.Error(warnings)
	}
	code(debuglog.With(t.Context(), l))
	l.Close()
	l.Close()
	return out.String()
}

func TestNothingIsLoggedUnasked(t *testing.T) {
	for _, level := range []string{"", "off", "OFF"} {
		out := logged(t, level, func(ctx context.Context) {
			debuglog.Hide(ctx, secret.New("hunter2"))
			debuglog.From(ctx).Error("x")
			if debuglog.On(ctx) {
				t.Errorf("%q is on", level)
			}
		})
		if out != "" {
			t.Errorf("%q: %s", level, out)
		}
	}
	debuglog.From(context.Background()).Error("nobody reads this")
}

func TestLevels(t *testing.T) {
	for level, want := range map[string]int{"debug": 4, " INFO ": 3, "warn": 2, "error": 1} {
		out := logged(t, level, func(ctx context.Context) {
			log := debuglog.From(ctx)
			log.Debug("x")
			log.Info("x")
			log.Warn("x")
			log.Error("x")
		})
		if got := strings.Count(out, "\n"); got != want {
			t.Errorf("%s: %d lines\n%s", level, got, out)
		}
	}
}

// A word that is no level must not cost a backup, nor leave the person who set it without a log.
func TestUnknownLevel(t *testing.T) {
	for _, word := range []string{"deubg", "info+2", "1"} {
		l, warnings := debuglog.Open(environment(debuglog.Variable, word), &bytes.Buffer{})
		defer l.Close()
		if len(warnings) != 1 || !strings.Contains(warnings[0], "debug, info, warn, error, off") || !debuglog.On(debuglog.With(t.Context(), l)) {
			t.Errorf("%s: %q", word, warnings)
		}
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for range 2 {
		l, warnings := debuglog.Open(environment(debuglog.Variable, "debug", debuglog.PathVariable, path), nil)
		if len(warnings) > 0 {
			t.Fatal(warnings)
		}
		debuglog.From(debuglog.With(t.Context(), l)).Info("a line")
		l.Close()
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Count(string(text), "a line") != 2 {
		t.Errorf("%s, %v", text, err)
	}
	l, warnings := debuglog.Open(environment(debuglog.Variable, "debug", debuglog.PathVariable, filepath.Join(path, "x")), nil)
	defer l.Close()
	if len(warnings) != 1 || debuglog.On(debuglog.With(t.Context(), l)) {
		t.Errorf("a file that cannot be written: %q", warnings)
	}
}

// What is hidden is in no line, in none of the forms that libraries write it in.
func TestHiddenSecrets(t *testing.T) {
	const value = `hunter "2" & é/+=`
	basic := base64.StdEncoding.EncodeToString([]byte(value))
	out := logged(t, "debug", func(ctx context.Context) {
		debuglog.Hide(ctx, secret.New(value), secret.New("hunter"), secret.New(""))
		log := debuglog.From(ctx).With("before", value)
		log.Info("message "+value, "text", value, "error", errors.New("said "+value), "query", url.QueryEscape(value), "path", url.PathEscape(value), "basic", basic)
		debuglog.Tool(ctx, []string{"tool", "-p", value}, 1, errors.New(value), time.Now())
	})
	for _, form := range []string{"hunter", strconv.Quote(value), url.QueryEscape(value), url.PathEscape(value), basic} {
		if strings.Contains(out, form) {
			t.Errorf("%s in\n%s", form, out)
		}
	}
	if strings.Count(out, "\n") != 2 {
		t.Error(out)
	}
}

func TestTool(t *testing.T) {
	out := logged(t, "debug", func(ctx context.Context) {
		debuglog.Tool(ctx, []string{"pg_dump", "--file", "a b", "-p", "hunter2"}, 3, errors.New("hunter2 is wrong"), time.Now(), secret.New("hunter2"))
	})
	if !strings.Contains(out, `argv="pg_dump --file \"a b\" -p (sensitive)" exit=3`) || strings.Contains(out, "hunter2") {
		t.Error(out)
	}
}

func TestTransport(t *testing.T) {
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer ts.Close()
	get := func(ctx context.Context, secretPath bool) {
		client := &http.Client{Transport: debuglog.Transport{RoundTripper: http.DefaultTransport, SecretPath: secretPath}}
		defer client.CloseIdleConnections()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, ts.URL+"/a/path?token=hunter2", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("admin", "hunter2")
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}
	out := logged(t, "debug", func(ctx context.Context) { get(ctx, false) })
	if !strings.Contains(out, "method=GET host=127.0.0.1:") || !strings.Contains(out, "path=/a/path took=") || !strings.Contains(out, "status=418") || strings.Contains(out, "hunter2") {
		t.Error(out)
	}
	if out := logged(t, "debug", func(ctx context.Context) { get(ctx, true) }); strings.Contains(out, "/a/path") {
		t.Error(out)
	}
	if out := logged(t, "info", func(ctx context.Context) { get(ctx, false) }); out != "" {
		t.Error(out)
	}
	ts.Close()
	if out := logged(t, "debug", func(ctx context.Context) { get(ctx, false) }); !strings.Contains(out, "refused") || strings.Contains(out, "hunter2") {
		t.Error(out)
	}
}

// stopped is a terminal that shows nothing until it is released.
type stopped struct {
	release chan struct{}
	lines   int
}

func (s *stopped) Write(p []byte) (int, error) {
	<-s.release
	s.lines++
	return len(p), nil
}

// A reader that does not read holds up neither who logs, nor the end for long.
func TestStoppedReaderHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &stopped{release: make(chan struct{})}
		l, _ := debuglog.Open(environment(debuglog.Variable, "debug"), to)
		log := debuglog.From(debuglog.With(t.Context(), l))
		const many = 50_000
		begun := time.Now()
		for range many {
			log.Info("x")
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("%s for the lines", took)
		}
		l.Close()
		if took := time.Since(begun); took != 2*time.Second {
			t.Errorf("%s for the end", took)
		}
		close(to.release)
		synctest.Wait()
		if to.lines < 10_000 || to.lines > 20_002 {
			t.Errorf("%d lines were kept", to.lines)
		}
	})
}

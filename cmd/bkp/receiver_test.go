package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/rogpeppe/go-internal/testscript"
)

// cmdReceiver starts an HTTP server and sets RECEIVER to its address. What it gets
// stands in the file received, a line each: what the sandbox's instance was like, the
// path, the occasion and the summary. Below /hang it never answers, below /fail it
// answers 500, and below /redirect it sends on to /stolen.
func cmdReceiver(ts *testscript.TestScript, neg bool, args []string) {
	var mu sync.Mutex
	ended := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		err := received(ts.MkAbs("received"), r, body, ts.Getenv("CONTROL"))
		mu.Unlock()
		switch {
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		case strings.HasPrefix(r.URL.Path, "/hang"):
			select {
			case <-ended:
			case <-r.Context().Done():
			}
		case strings.HasPrefix(r.URL.Path, "/fail"):
			w.WriteHeader(http.StatusInternalServerError)
		case strings.HasPrefix(r.URL.Path, "/redirect"):
			http.Redirect(w, r, "/stolen", http.StatusTemporaryRedirect)
		}
	}))
	ts.Defer(func() { close(ended); s.Close() })
	ts.Setenv("RECEIVER", s.URL)
}

// received appends a line about a request.
func received(path string, r *http.Request, body []byte, control string) error {
	state := ""
	if control != "" {
		resp, err := http.Get(control + "/state")
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		var report struct {
			State struct{ Owner any }
		}
		if err := json.NewDecoder(resp.Body).Decode(&report); err != nil {
			return err
		}
		state = "open "
		if report.State.Owner != nil {
			state = "locked "
		}
	}
	var n struct{ Occasion, Summary, Detail string }
	text := strings.ReplaceAll(string(body), "\n", " ")
	if json.Unmarshal(body, &n) == nil && n.Occasion != "" {
		text = n.Occasion + ": " + n.Summary + ": " + strings.ReplaceAll(n.Detail, "\n", " ")
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = fmt.Fprintf(f, "%s%s %s\n", state, r.URL.Path, text)
	return err
}

// cmdMetric reads a file as Prometheus does, and compares one sample: metric FILE NAME
// [LABEL=VALUE] WANT, where WANT is a number, or + for anything above 0.
func cmdMetric(ts *testscript.TestScript, neg bool, args []string) {
	f, err := os.Open(filepath.Clean(ts.MkAbs(args[0])))
	ts.Check(err)
	defer func() { _ = f.Close() }()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(f)
	ts.Check(err)
	want := args[len(args)-1]
	for _, m := range families[args[1]].GetMetric() {
		labels := map[string]bool{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()+"="+l.GetValue()] = true
		}
		if len(args) == 4 && !labels[args[2]] {
			continue
		}
		v := m.GetGauge().GetValue()
		if (fmt.Sprint(v) == want || want == "+" && v > 0) == neg {
			ts.Fatalf("%s is %v", strings.Join(args[1:], " "), v)
		}
		return
	}
	if !neg {
		ts.Fatalf("there is no %s", strings.Join(args[1:], " "))
	}
}

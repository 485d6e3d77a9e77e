package proxy_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bkp/internal/lab/sandbox"
	"bkp/internal/lab/sandbox/proxy"
)

// stand is a sandbox behind a proxy, on a network.
type stand struct {
	server *sandbox.Server
	proxy  *proxy.Proxy
	url    string
}

func newStand(t *testing.T, o sandbox.Options, rules ...proxy.Rule) stand {
	t.Helper()
	s := stand{server: sandbox.NewServer(o)}
	s.proxy = proxy.New(s.server)
	if err := s.proxy.Set(rules...); err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(s.proxy)
	t.Cleanup(ts.Close)
	s.url = ts.URL
	return s
}

// reply is what a client gets; err stands for none.
type reply struct {
	status int
	kind   string
	body   string
	err    error
}

func (s stand) call(t *testing.T, method, path string) reply {
	t.Helper()
	return callBy(t, http.DefaultTransport, method, s.url+path)
}

func callBy(t *testing.T, by http.RoundTripper, method, url string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", "admin")
	req.Header.Set("Content-Type", "application/json")
	resp, err := by.RoundTrip(req)
	if err != nil {
		return reply{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header.Get("Content-Type"), string(body), err}
}

const lock = "/mvc/maintenance/lock"

func TestWithoutRulesEverythingPasses(t *testing.T) {
	s := newStand(t, sandbox.Options{ContextPath: "/bb"})
	if got := s.call(t, "POST", "/bb"+lock); got.status != http.StatusAccepted || !s.server.State().Locked() {
		t.Errorf("%+v", got)
	}
}

// TestEachAnswer: every known answer comes in the instance's place, with the
// call passed on or not.
func TestEachAnswer(t *testing.T) {
	if n := len(proxy.Names()); n < 20 {
		t.Errorf("%d answers", n)
	}
	for _, name := range proxy.Names() {
		for _, pass := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				a := proxy.Named(name)
				s := newStand(t, sandbox.Options{}, proxy.Rule{Call: sandbox.CallLock, Pass: pass, Answer: a})
				got := s.call(t, "POST", lock)
				switch {
				case a.Duplicate:
					if got.status != http.StatusConflict || s.server.Count(sandbox.CallLock) != 2 {
						t.Errorf("%+v", got)
					}
				case a.Reset || a.Cut:
					if got.err == nil {
						t.Errorf("%+v", got)
					}
				case got.err != nil || got.status != a.Status || got.body != a.Body || got.kind != a.Header["Content-Type"]:
					t.Errorf("%+v", got)
				}
				if locked := s.server.State().Locked(); locked != (pass || a.Duplicate) {
					t.Errorf("locked: %v", locked)
				}
			})
		}
	}
}

func TestRulesChooseTheirCalls(t *testing.T) {
	answer := &proxy.Answer{Status: http.StatusTeapot}
	for name, test := range map[string]struct {
		rule proxy.Rule
		// want are the statuses of: lock-state, lock, lock-state, lock-state.
		want [4]int
	}{
		"by name":       {proxy.Rule{Call: sandbox.CallLock}, [4]int{404, 418, 404, 404}},
		"by method":     {proxy.Rule{Method: "GET"}, [4]int{418, 202, 418, 418}},
		"by path":       {proxy.Rule{Path: "maintenance/*", Method: "POST"}, [4]int{404, 418, 404, 404}},
		"other path":    {proxy.Rule{Path: "admin/*"}, [4]int{404, 202, 200, 200}},
		"once":          {proxy.Rule{Call: sandbox.CallLockState, To: 1}, [4]int{418, 202, 200, 200}},
		"the second":    {proxy.Rule{Call: sandbox.CallLockState, From: 2, To: 2}, [4]int{404, 202, 418, 200}},
		"from then on":  {proxy.Rule{From: 3}, [4]int{404, 202, 418, 418}},
		"while locked":  {proxy.Rule{At: proxy.Locked}, [4]int{404, 202, 418, 418}},
		"since locked":  {proxy.Rule{Call: sandbox.CallLockState, After: proxy.Locked}, [4]int{404, 202, 200, 418}},
		"while drained": {proxy.Rule{At: proxy.Drained}, [4]int{404, 202, 200, 200}},
	} {
		t.Run(name, func(t *testing.T) {
			test.rule.Answer = answer
			s := newStand(t, sandbox.Options{}, test.rule)
			for i, method := range []string{"GET", "POST", "GET", "GET"} {
				if got := s.call(t, method, lock); got.status != test.want[i] {
					t.Errorf("call %d: %+v, want %d", i+1, got, test.want[i])
				}
			}
		})
	}
}

// TestFirstRuleCounts: a rule that does not hold any more leaves the call to
// the next, and all count.
func TestFirstRuleCounts(t *testing.T) {
	s := newStand(t, sandbox.Options{}, proxy.Rule{To: 1, Answer: proxy.Named("html-503")}, proxy.Rule{Answer: proxy.Named("html-404")})
	for _, want := range []int{503, 404, 404} {
		if got := s.call(t, "GET", "/status"); got.status != want {
			t.Errorf("%+v, want %d", got, want)
		}
	}
	s.proxy.Pause()
	if got := s.call(t, "GET", "/status"); got.status != http.StatusOK {
		t.Errorf("paused: %+v", got)
	}
	if r := s.proxy.Records(); r[0].Seen != 3 || r[0].Disturbed != 1 || r[1].Seen != 2 || r[1].Disturbed != 2 {
		t.Errorf("%+v", r)
	}
}

// TestTimesAndDelays runs in simulated time, without a network.
func TestTimesAndDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := proxy.New(sandbox.NewServer(sandbox.Options{}))
		if err := p.Set(
			proxy.Rule{Call: sandbox.CallStatus, For: sandbox.Duration(time.Minute), Answer: proxy.Named("reset")},
			proxy.Rule{Call: sandbox.CallStatus, Delay: sandbox.Duration(time.Hour), Pass: true},
		); err != nil {
			t.Fatal(err)
		}
		status := func() reply { return callBy(t, p.Transport(), "GET", "http://bitbucket.test/status") }
		time.Sleep(time.Hour) // the minute begins with the first call
		if got := status(); got.err == nil {
			t.Errorf("%+v", got)
		}
		time.Sleep(time.Minute - time.Nanosecond)
		if got := status(); got.err == nil {
			t.Errorf("%+v", got)
		}
		time.Sleep(time.Nanosecond)
		begun := time.Now()
		if got := status(); got.body != `{"state":"RUNNING"}` || time.Since(begun) != time.Hour {
			t.Errorf("%+v after %s", got, time.Since(begun))
		}
	})
}

func TestStages(t *testing.T) {
	s := sandbox.NewServer(sandbox.Options{Corners: sandbox.Corners{Drain: sandbox.Duration(time.Hour)}})
	p := proxy.New(s)
	ask := func(method, path string) reply {
		return callBy(t, p.Transport(), method, "http://bitbucket.test"+path)
	}
	want := func(at proxy.Stage) {
		t.Helper()
		for _, stage := range []proxy.Stage{proxy.Open, proxy.Locked, proxy.Draining, proxy.Drained, proxy.Ended} {
			if err := p.Set(proxy.Rule{Call: sandbox.CallStatus, At: stage, Answer: proxy.Named("html-502")}); err != nil {
				t.Fatal(err)
			}
			if got := ask("GET", "/status"); (got.status == http.StatusBadGateway) != (stage == at) {
				t.Errorf("at %s, a rule for %s: %+v", at, stage, got)
			}
		}
	}
	want(proxy.Open)
	var held struct{ UnlockToken string }
	if err := json.Unmarshal([]byte(ask("POST", lock).body), &held); err != nil {
		t.Fatal(err)
	}
	want(proxy.Locked)
	start := func() {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://bitbucket.test/mvc/admin/backups?external=true", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("admin", "admin")
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Atlassian-Maintenance-Token", held.UnlockToken)
		resp, err := p.Transport().RoundTrip(req)
		if err != nil || resp.StatusCode != http.StatusAccepted {
			t.Fatal(resp, err)
		}
		_ = resp.Body.Close()
	}
	start()
	want(proxy.Draining)
	if err := s.FailTask(); err != nil {
		t.Fatal(err)
	}
	want(proxy.Ended)
	s.ChangeCorners(func(c *sandbox.Corners) { c.Drain = 0 })
	start()
	want(proxy.Drained)
}

func TestParse(t *testing.T) {
	rules, err := proxy.Parse([]byte(`[{"call":"unlock","to":1,"answer":"html-404"},{"path":"status","for":"1.5s","pass":true,"answer":{"status":418,"body":"x"}}]`))
	if err != nil || len(rules) != 2 || rules[0].Answer.Status != 404 || rules[1].For != sandbox.Duration(1500*time.Millisecond) || rules[1].Answer.Body != "x" {
		t.Errorf("%+v, %v", rules, err)
	}
	for text, says := range map[string]string{
		`{}`:                       "cannot unmarshal",
		`[{"calls":"unlock"}]`:     "unknown field",
		`[{"call":"unlock"}]`:      "rule 1: without an answer",
		`[{"answer":"nonsense"}]`:  "no answer",
		`[{"answer":{"state":1}}]`: "unknown field",
		`[{"pass":true},{"from":3,"to":2,"pass":true}]`: "rule 2: from 3 to 2",
		`[{"at":"asleep","pass":true}]`:                 `no stage "asleep"`,
		`[{"after":"asleep","pass":true}]`:              `no stage "asleep"`,
		`[{"path":"[","pass":true}]`:                    "syntax error in pattern",
		`[{"delay":"-1s","pass":true}]`:                 "negative",
	} {
		if _, err := proxy.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestControl(t *testing.T) {
	s := newStand(t, sandbox.Options{})
	ts := httptest.NewServer(s.proxy.Control(s.server.Control(nil)))
	t.Cleanup(ts.Close)
	control := func(method, path, body string) reply {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, ts.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		return reply{resp.StatusCode, "", string(text), err}
	}
	if got := control("PUT", "/sandbox/rules", `[{"call":"status","answer":"login-200"}]`); got.status != http.StatusNoContent {
		t.Errorf("%+v", got)
	}
	if got := control("PUT", "/sandbox/rules", `nonsense`); got.status != http.StatusBadRequest {
		t.Errorf("%+v", got)
	}
	if got := s.call(t, "GET", "/status"); !strings.Contains(got.body, "Log in") {
		t.Errorf("%+v", got)
	}
	if got := control("GET", "/sandbox/rules", ""); !strings.Contains(got.body, `"disturbed":1`) {
		t.Errorf("%+v", got)
	}
	if got := control("GET", "/sandbox/state", ""); !strings.Contains(got.body, "drained_to_complete_ns") {
		t.Errorf("%+v", got)
	}
	if got := control("DELETE", "/sandbox/rules", ""); got.status != http.StatusNoContent {
		t.Errorf("%+v", got)
	}
	if got := s.call(t, "GET", "/status"); got.body != `{"state":"RUNNING"}` {
		t.Errorf("%+v", got)
	}
}

// TestHeldUpCallTakesEffect: a delayed call reaches the instance although the
// client has given up.
func TestHeldUpCallTakesEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sandbox.NewServer(sandbox.Options{})
		p := proxy.New(s)
		if err := p.Set(proxy.Rule{Call: sandbox.CallLock, Delay: sandbox.Duration(time.Minute), Pass: true}); err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Transport: p.Transport(), Timeout: time.Second}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://bitbucket.test"+lock, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("admin", "admin")
		req.Header.Set("Content-Type", "application/json")
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
			t.Error("no time-out")
		} else if errors.Is(err, io.EOF) || s.State().Locked() {
			t.Error(err, s.State())
		}
		time.Sleep(time.Minute)
		if !s.State().Locked() {
			t.Error("the call was lost")
		}
	})
}

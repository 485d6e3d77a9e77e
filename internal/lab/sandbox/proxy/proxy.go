package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"bkp/internal/lab/sandbox"
)

// maxBody bounds a request that may be sent twice; those of the interface have
// no body.
const maxBody = 1 << 20

// Proxy is an http.Handler in front of a sandbox. It is safe for concurrent
// use and needs no closing.
type Proxy struct {
	server *sandbox.Server

	mu   sync.Mutex
	rows []row
	// before are the stages that calls have found since the rules were set.
	before map[Stage]bool
	paused bool
}

// New returns a proxy in front of a server, which lets everything pass until
// there are rules.
func New(server *sandbox.Server) *Proxy { return &Proxy{server: server, before: map[Stage]bool{}} }

// Set replaces the rules, and forgets what the old ones have counted. Of
// several that hold for a call, the first counts. An error says which rule is
// wrong, and nothing is replaced.
func (p *Proxy) Set(rules ...Rule) error {
	if err := check(rules); err != nil {
		return err
	}
	rows := make([]row, len(rules))
	for i, r := range rules {
		rows[i].Rule = r
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rows, p.before, p.paused = rows, map[Stage]bool{}, false
	return nil
}

// Pause lets every call pass until the next Set. The rules and what they have
// counted stay, to be looked at.
func (p *Proxy) Pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = true
}

// Record is what a rule has done so far.
type Record struct {
	Rule
	// Seen counts the calls that it is about, Disturbed those that it changed.
	Seen      int `json:"seen"`
	Disturbed int `json:"disturbed"`
}

// Records returns the rules with what they have done.
func (p *Proxy) Records() []Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Record, len(p.rows))
	for i, r := range p.rows {
		out[i] = Record{Rule: r.Rule, Seen: r.seen, Disturbed: r.disturbed}
	}
	return out
}

// Transport reaches the proxy without a network, as sandbox.TransportTo does.
func (p *Proxy) Transport() http.RoundTripper { return sandbox.TransportTo(p) }

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rule, found := p.find(r)
	if !found {
		p.server.ServeHTTP(w, r)
		return
	}
	time.Sleep(time.Duration(rule.Delay))
	var body []byte
	if r.Body != nil { // which a client without a network may leave out
		var err error
		if body, err = io.ReadAll(io.LimitReader(r.Body, maxBody)); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	pass := func(w http.ResponseWriter) {
		seen := r.Clone(r.Context())
		seen.Body = io.NopCloser(bytes.NewReader(body))
		p.server.ServeHTTP(w, seen)
	}
	switch a := rule.Answer; {
	case a == nil:
		pass(w)
	case a.Duplicate:
		unheard(pass)
		pass(w)
	default:
		if rule.Pass {
			unheard(pass)
		}
		a.send(w)
	}
}

// find returns the first rule that is to disturb the call. Each rule before
// it counts the call.
func (p *Proxy) find(r *http.Request) (Rule, bool) {
	call, at := p.server.CallOf(r), stageOf(p.server.State())
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused {
		return Rule{}, false
	}
	defer func() { p.before[at] = true }()
	now := time.Now()
	for i := range p.rows {
		if p.rows[i].fits(call, r) && p.rows[i].begins(at, p.before) && p.rows[i].applies(now) {
			return p.rows[i].Rule, true
		}
	}
	return Rule{}, false
}

// unheard passes a call on, and drops the reply. That the server hangs up is
// no matter then.
func unheard(pass func(http.ResponseWriter)) {
	defer func() {
		if v := recover(); v != nil {
			if err, ok := v.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
		}
	}()
	pass(httptest.NewRecorder())
}

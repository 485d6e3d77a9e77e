package searchserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
)

// StandIn is a search server in this process, for tests that must be quick. It answers
// the calls that bkp makes as OpenSearch 2.19 does, and can be slow or broken on
// request. What real servers do is proven with Start.
type StandIn struct {
	URL string
	// User and Password are wanted from each request; "" for none.
	User, Password string

	mu           sync.Mutex
	indices      map[string]documents
	repositories map[string]*repository
	slowness     Slowness
	disturb      func(*http.Request) *Answer
	calls        []string
}

// Slowness is how long a snapshot takes, in answers: the stand-in has no clock.
type Slowness struct {
	// Initializing is how often its shards are said to wait for their turn. What is
	// written before the turn is in the snapshot.
	Initializing int
	// Running is how often it is said to be in progress after that.
	Running int
}

// Answer is given instead of the right one.
type Answer struct {
	Status int
	// Type and Reason of an error as the server writes it.
	Type, Reason string
	// After carries the request out first, and gives no answer at all.
	After bool
}

// documents are those of an index, by id.
type documents map[string]string

type repository struct {
	Type      string            `json:"type"`
	Settings  map[string]string `json:"settings"`
	snapshots map[string]*taken
}

// taken is a snapshot.
type taken struct {
	wanted   []string
	content  map[string]documents
	metadata map[string]any
	state    string
	left     Slowness
}

// NewStandIn starts a stand-in that ends with the test.
func NewStandIn(t testing.TB) *StandIn {
	t.Helper()
	s := &StandIn{indices: map[string]documents{}, repositories: map[string]*repository{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Put writes a document, and makes the index if need be.
func (s *StandIn) Put(index, id, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.indices[index] == nil {
		s.indices[index] = documents{}
	}
	s.indices[index][id] = text
}

// State is the content of all indices: INDEX/ID to its text.
func (s *StandIn) State() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]string{}
	for name, docs := range s.indices {
		for id, text := range docs {
			out[name+"/"+id] = text
		}
	}
	return out
}

// Clear deletes all indices.
func (s *StandIn) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.indices = map[string]documents{}
}

// Snapshots are the names of those in a repository, sorted.
func (s *StandIn) Snapshots(repository string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.repositories[repository]
	if !ok {
		return nil
	}
	return slices.Sorted(maps.Keys(r.snapshots))
}

// Running is the name of a snapshot that is in progress, "" if none is.
func (s *StandIn) Running(repository string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.repositories[repository]
	if !ok {
		return ""
	}
	for name, t := range r.snapshots {
		if t.state == "IN_PROGRESS" {
			return name
		}
	}
	return ""
}

// End gives a snapshot this state, such as PARTIAL; "" removes it, as the end of a
// server does that was killed.
func (s *StandIn) End(repository, name, state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.repositories[repository]
	if state == "" {
		delete(r.snapshots, name)
		return
	}
	r.snapshots[name].state, r.snapshots[name].left = state, Slowness{}
}

// Slow makes the snapshots that are begun from now on take their time.
func (s *StandIn) Slow(by Slowness) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slowness = by
}

// Disturb lets f answer a request in the server's place, unless it returns nil.
func (s *StandIn) Disturb(f func(*http.Request) *Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disturb = f
}

// Calls are all requests so far: METHOD PATH.
func (s *StandIn) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// ServeHTTP implements http.Handler.
func (s *StandIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, r.Method+" "+r.URL.Path)
	if user, password, _ := r.BasicAuth(); s.User != "" && (user != s.User || password != s.Password) {
		reply(w, fault(http.StatusUnauthorized, "security_exception", "missing authentication credentials for REST request ["+r.URL.Path+"]"))
		return
	}
	if r.ContentLength > 0 && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		reply(w, answer{http.StatusNotAcceptable, map[string]any{"error": "Content-Type header [" + r.Header.Get("Content-Type") + "] is not supported", "status": 406}})
		return
	}
	var a *Answer
	if s.disturb != nil {
		a = s.disturb(r)
	}
	switch {
	case a == nil:
		reply(w, s.serve(r))
	case a.After:
		_ = s.serve(r)
		panic(http.ErrAbortHandler)
	default:
		reply(w, fault(a.Status, a.Type, a.Reason))
	}
}

// answer is one of the server.
type answer struct {
	status int
	body   any
}

func ok(body any) answer { return answer{http.StatusOK, body} }

func fault(status int, typ, reason string) answer {
	return answer{status, map[string]any{"error": map[string]any{"type": typ, "reason": reason}, "status": status}}
}

func reply(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(a.body) // who asked may have left
}

type object = map[string]any

func (s *StandIn) serve(r *http.Request) answer {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.URL.Path == "/":
		return ok(object{"cluster_uuid": "the-cluster", "version": object{"number": "2.19.6", "distribution": "opensearch"}})
	case parts[0] == "_cat" && len(parts) == 3:
		return s.cat(parts[1], parts[2])
	case parts[0] == "_snapshot" && len(parts) == 2:
		return s.repository(r, parts[1])
	case parts[0] == "_snapshot" && len(parts) >= 3:
		repo, known := s.repositories[parts[1]]
		if !known {
			return fault(http.StatusNotFound, "repository_missing_exception", "["+parts[1]+"] missing")
		}
		if parts[2] == "_verify" {
			return ok(object{"nodes": object{"one": object{"name": "one"}}})
		}
		return s.snapshot(r, repo, parts[2], strings.Join(parts[3:], "/"))
	case r.Method == http.MethodDelete && len(parts) == 1:
		for _, name := range strings.Split(parts[0], ",") {
			delete(s.indices, name)
		}
		return ok(object{"acknowledged": true})
	}
	return fault(http.StatusBadRequest, "illegal_argument_exception", "no handler for "+r.Method+" "+r.URL.Path)
}

// matching are the names of indices that a list of names and patterns means.
func (s *StandIn) matching(list string) []string {
	var out []string
	for _, pattern := range strings.Split(list, ",") {
		for name := range s.indices {
			if ok, _ := path.Match(pattern, name); ok {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}

func (s *StandIn) cat(what, list string) answer {
	names := s.matching(list)
	if len(names) == 0 && !strings.Contains(list, "*") {
		return fault(http.StatusNotFound, "index_not_found_exception", "no such index ["+list+"]")
	}
	out := []object{}
	for _, name := range names {
		switch what {
		case "indices":
			out = append(out, object{"index": name, "health": "green", "pri": "1", "pri.store.size": fmt.Sprint(100 * len(s.indices[name]))})
		case "shards":
			out = append(out, object{"index": name, "prirep": "p", "state": "STARTED", "unassigned.reason": nil})
		case "recovery":
			out = append(out, object{"bytes_recovered": "100", "bytes_total": "100"})
		}
	}
	return ok(out)
}

func (s *StandIn) repository(r *http.Request, name string) answer {
	have, known := s.repositories[name]
	switch {
	case r.Method == http.MethodPut:
		made := &repository{snapshots: map[string]*taken{}}
		if err := json.NewDecoder(r.Body).Decode(made); err != nil {
			return fault(http.StatusBadRequest, "parse_exception", err.Error())
		}
		if known {
			made.snapshots = have.snapshots
		}
		s.repositories[name] = made
		return ok(object{"acknowledged": true})
	case !known:
		return fault(http.StatusNotFound, "repository_missing_exception", "["+name+"] missing")
	}
	return ok(object{name: have})
}

func (s *StandIn) snapshot(r *http.Request, repo *repository, name, verb string) answer {
	if r.Method == http.MethodPut {
		return s.take(r, repo, name)
	}
	if strings.Contains(name, "*") {
		list := []object{}
		for _, n := range slices.Sorted(maps.Keys(repo.snapshots)) {
			if ok, _ := path.Match(name, n); ok {
				list = append(list, repo.snapshots[n].describe(n))
			}
		}
		return ok(object{"snapshots": list})
	}
	have, known := repo.snapshots[name]
	if !known {
		return fault(http.StatusNotFound, "snapshot_missing_exception", "["+name+"] is missing")
	}
	switch {
	case r.Method == http.MethodDelete && repo.Settings["readonly"] == "true":
		return fault(http.StatusInternalServerError, "repository_exception", "cannot delete snapshot from a readonly repository")
	case r.Method == http.MethodDelete:
		delete(repo.snapshots, name)
		return ok(object{"acknowledged": true})
	case verb == "_status":
		return ok(object{"snapshots": []object{s.progress(have)}})
	case verb == "_restore":
		return s.restore(have)
	}
	if have.left.Initializing == 0 && have.state == "IN_PROGRESS" {
		if have.left.Running--; have.left.Running < 0 {
			have.state = "SUCCESS"
		}
	}
	return ok(object{"snapshots": []object{have.describe(name)}})
}

func (s *StandIn) take(r *http.Request, repo *repository, name string) answer {
	var order struct {
		Indices  string         `json:"indices"`
		Metadata map[string]any `json:"metadata"`
	}
	if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
		return fault(http.StatusBadRequest, "parse_exception", err.Error())
	}
	switch _, taken := repo.snapshots[name]; {
	case taken:
		return fault(http.StatusBadRequest, "invalid_snapshot_name_exception", "["+name+"] Invalid snapshot name, snapshot with the same name already exists")
	case strings.ToLower(name) != name:
		return fault(http.StatusBadRequest, "invalid_snapshot_name_exception", "["+name+"] Invalid snapshot name, must be lowercase")
	case repo.Settings["readonly"] == "true":
		return fault(http.StatusInternalServerError, "repository_exception", "cannot create snapshot in a readonly repository")
	}
	made := &taken{wanted: s.matching(order.Indices), metadata: order.Metadata, state: "IN_PROGRESS", left: s.slowness}
	repo.snapshots[name] = made
	if r.URL.Query().Get("wait_for_completion") == "true" {
		made.left, made.state = Slowness{}, "SUCCESS"
	}
	if made.left.Initializing == 0 {
		s.begin(made)
	}
	return ok(object{"accepted": true})
}

// begin is the turn of all shards.
func (s *StandIn) begin(t *taken) {
	t.content = map[string]documents{}
	for _, name := range t.wanted {
		t.content[name] = maps.Clone(s.indices[name])
	}
}

func (s *StandIn) progress(t *taken) object {
	waiting := 0
	if t.left.Initializing > 0 {
		waiting = len(t.wanted)
		if t.left.Initializing--; t.left.Initializing == 0 {
			s.begin(t)
		}
	}
	state := "STARTED"
	if t.state != "IN_PROGRESS" {
		state = t.state
	}
	return object{"state": state, "shards_stats": object{"initializing": waiting, "failed": 0, "total": len(t.wanted)}, "stats": object{"incremental": object{"size_in_bytes": 100}, "processed": object{"size_in_bytes": 50}}}
}

func (t *taken) describe(name string) object {
	out := object{"snapshot": name, "state": t.state, "version": "2.19.6", "indices": t.wanted, "metadata": t.metadata, "shards": object{"total": len(t.wanted), "failed": 0, "successful": len(t.wanted)}}
	if t.state == "PARTIAL" || t.state == "FAILED" {
		out["failures"] = []object{{"index": t.wanted[0], "shard_id": 0, "reason": "the disk is full"}}
		out["shards"] = object{"total": len(t.wanted), "failed": 1, "successful": len(t.wanted) - 1}
	}
	return out
}

func (s *StandIn) restore(t *taken) answer {
	for name := range t.content {
		if _, open := s.indices[name]; open {
			return fault(http.StatusInternalServerError, "snapshot_restore_exception", "cannot restore index ["+name+"] because an open index with same name already exists in the cluster")
		}
	}
	for name, docs := range t.content {
		s.indices[name] = maps.Clone(docs)
	}
	return ok(object{"accepted": true})
}

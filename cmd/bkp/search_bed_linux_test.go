package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"bkp/internal/lab/searchserver"
)

// TestBedScriptsOfSearch backs up the index of a real OpenSearch under load. `load NAME N`
// indexes documents 0, 1, 2 and so on, and goes on when there are N, until `unload`;
// `reached VAR` sets a variable to how many there are; `covers NAME FROM TO` proves that an
// index has all documents below FROM, and none from TO on; `snapshots N` counts what is in
// the repository, and `noindex` deletes all indices.
func TestBedScriptsOfSearch(t *testing.T) {
	server := searchserver.Start(t, searchserver.OpenSearch2, false)
	p := scripts("../../testdata/script/searchbed")
	setup := p.Setup
	p.Setup = func(env *testscript.Env) error {
		env.Setenv("SEARCH_URL", server.URL)
		env.Setenv("SEARCH_SNAPSHOTS", filepath.Join(server.Snapshots, "scripts"))
		return setup(env)
	}
	users := &indexing{server: server}
	number := func(ts *testscript.TestScript, text string) int {
		n, err := strconv.Atoi(text)
		ts.Check(err)
		return n
	}
	p.Cmds["load"] = func(ts *testscript.TestScript, _ bool, args []string) {
		users.start(ts, args[0])
		until(ts, func() bool { return users.count() >= number(ts, args[1]) })
	}
	p.Cmds["unload"] = func(ts *testscript.TestScript, _ bool, _ []string) { ts.Check(users.stop()) }
	p.Cmds["reached"] = func(ts *testscript.TestScript, _ bool, args []string) {
		ts.Setenv(args[0], strconv.Itoa(users.count()))
	}
	p.Cmds["covers"] = func(ts *testscript.TestScript, _ bool, args []string) {
		from, to := number(ts, args[1]), number(ts, args[2])
		got := users.documents(ts, args[0])
		ts.Logf("%d documents up to %d; %d were there before, %d after", len(got), got[len(got)-1], from, to)
		for n := range from {
			if n >= len(got) || got[n] != n {
				ts.Fatalf("document %d is missing", n)
			}
		}
		if got[len(got)-1] >= to {
			ts.Fatalf("document %d is of a later time", got[len(got)-1])
		}
	}
	p.Cmds["noindex"] = func(ts *testscript.TestScript, _ bool, _ []string) {
		users.must(ts, http.MethodDelete, "/bitbucket-*", "")
	}
	p.Cmds["snapshots"] = func(ts *testscript.TestScript, _ bool, args []string) {
		var list []json.RawMessage
		ts.Check(json.Unmarshal([]byte(users.must(ts, http.MethodGet, "/_cat/snapshots/bitbucket-snapshots?format=json", "")), &list))
		if len(list) != number(ts, args[0]) {
			ts.Fatalf("the repository has %s", list)
		}
	}
	testscript.Run(t, p)
}

// indexing is what Bitbucket's users cause.
type indexing struct {
	server *searchserver.Server

	mu      sync.Mutex
	written int
	ends    bool
	failed  error
	all     sync.WaitGroup
}

func (x *indexing) ask(method, path, body string) (string, error) {
	req, err := http.NewRequest(method, x.server.URL+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s %s", method, path, resp.Status, text)
	}
	return string(text), err
}

func (x *indexing) must(ts *testscript.TestScript, method, path, body string) string {
	text, err := x.ask(method, path, body)
	ts.Check(err)
	return text
}

func (x *indexing) count() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.written
}

// start indexes until stop, some documents at a time.
func (x *indexing) start(ts *testscript.TestScript, index string) {
	x.must(ts, http.MethodPut, "/"+index, `{"settings":{"number_of_shards":2,"number_of_replicas":0}}`)
	x.mu.Lock()
	x.written, x.ends = 0, false
	x.mu.Unlock()
	x.all.Go(func() {
		const each = 10
		for {
			x.mu.Lock()
			n, ended := x.written, x.ends
			x.mu.Unlock()
			if ended {
				return
			}
			var bulk strings.Builder
			for i := n; i < n+each; i++ {
				fmt.Fprintf(&bulk, "{\"index\":{\"_id\":\"%d\"}}\n{\"n\":%d}\n", i, i)
			}
			text, err := x.ask(http.MethodPost, "/"+index+"/_bulk", bulk.String())
			if err == nil && strings.Contains(text, `"errors":true`) {
				err = fmt.Errorf("%s", text)
			}
			x.mu.Lock()
			x.written = n + each
			if err != nil {
				x.failed, x.ends = err, true
			}
			x.mu.Unlock()
		}
	})
	ts.Defer(func() { _ = x.stop() })
}

func (x *indexing) stop() error {
	x.mu.Lock()
	x.ends = true
	x.mu.Unlock()
	x.all.Wait()
	return x.failed
}

// documents are the numbers of all in an index, sorted.
func (x *indexing) documents(ts *testscript.TestScript, index string) []int {
	x.must(ts, http.MethodPost, "/"+index+"/_refresh", "")
	var out []int
	for after := ""; ; after = fmt.Sprintf(`,"search_after":[%d]`, out[len(out)-1]) {
		var answer struct {
			Hits struct{ Hits []struct{ Sort []int } }
		}
		ts.Check(json.Unmarshal([]byte(x.must(ts, http.MethodPost, "/"+index+"/_search", `{"size":5000,"_source":false,"sort":[{"n":"asc"}]`+after+`}`)), &answer))
		if len(answer.Hits.Hits) == 0 {
			slices.Sort(out)
			return out
		}
		for _, h := range answer.Hits.Hits {
			out = append(out, h.Sort[0])
		}
	}
}

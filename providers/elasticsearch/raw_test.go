package elasticsearch_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// raw asks a search server directly, as neither bkp nor its client does.
type raw struct{ url, user, password string }

// ask makes a request, and returns the status and the answer.
func (r raw) ask(t testing.TB, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if r.user != "" {
		req.SetBasicAuth(r.user, r.password)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// must is ask for what has to succeed.
func (r raw) must(t testing.TB, method, path, body string) string {
	t.Helper()
	status, text := r.ask(t, method, path, body)
	if status/100 != 2 {
		t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
	return text
}

// index makes an index of two shards without copies.
func (r raw) index(t testing.TB, name string) {
	t.Helper()
	r.must(t, http.MethodPut, "/"+name, `{"settings":{"number_of_shards":2,"number_of_replicas":0}}`)
}

// fill indexes documents of numbers in [from, to), each some hundred bytes that cannot be
// compressed well.
func (r raw) fill(t testing.TB, index string, from, to int) {
	t.Helper()
	for from < to {
		var bulk bytes.Buffer
		end := min(from+2000, to)
		for n := from; n < end; n++ {
			_, _ = fmt.Fprintf(&bulk, "{\"index\":{\"_id\":\"%d\"}}\n{\"n\":%d,\"text\":\"%x\"}\n", n, n, noise(n))
		}
		if text := r.must(t, http.MethodPost, "/"+index+"/_bulk?refresh=true", bulk.String()); strings.Contains(text, `"errors":true`) {
			t.Fatal(text)
		}
		from = end
	}
}

// noise is 200 bytes that depend on n.
func noise(n int) []byte {
	out := make([]byte, 200)
	x := uint64(n)*2654435761 + 12345
	for i := range out {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		out[i] = byte(x)
	}
	return out
}

// documents are the numbers of all documents of an index, sorted.
func (r raw) documents(t testing.TB, index string) []int {
	t.Helper()
	r.must(t, http.MethodPost, "/"+index+"/_refresh", "")
	var out []int
	after := ""
	for {
		text := r.must(t, http.MethodPost, "/"+index+"/_search", `{"size":5000,"_source":false,"fields":["n"],"sort":[{"n":"asc"}]`+after+`}`)
		var answer struct {
			Hits struct {
				Hits []struct {
					Sort []int `json:"sort"`
				} `json:"hits"`
			} `json:"hits"`
		}
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			t.Fatal(err)
		}
		if len(answer.Hits.Hits) == 0 {
			return out
		}
		for _, h := range answer.Hits.Hits {
			out = append(out, h.Sort[0])
		}
		after = fmt.Sprintf(`,"search_after":[%d]`, out[len(out)-1])
	}
}

// clear deletes all indices and snapshots of a repository.
func (r raw) clear(t testing.TB, pattern string) {
	t.Helper()
	var list []struct{ Index string }
	if err := json.Unmarshal([]byte(r.must(t, http.MethodGet, "/_cat/indices/"+pattern+"?format=json", "")), &list); err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		r.must(t, http.MethodDelete, "/"+i.Index, "")
	}
}

func numbers(from, to int) []int {
	var out []int
	for n := from; n < to; n++ {
		out = append(out, n)
	}
	return out
}

func same(t testing.TB, got, want []int) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%d documents, want %d", len(got), len(want))
	}
}

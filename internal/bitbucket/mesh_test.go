package bitbucket

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// listsAs is a client of an instance that answers every call with a status and a body.
func listsAs(t *testing.T, status int, bodies ...string) *Client {
	t.Helper()
	next := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(bodies[min(next, len(bodies)-1)]))
		next++
	}))
	t.Cleanup(s.Close)
	c, err := New(Config{URL: s.URL, Username: "a"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestMeshNodesAreListed(t *testing.T) {
	t.Parallel()
	const a, b = `{"id":1,"name":"a","state":"AVAILABLE"}`, `{"id":"2","name":"b","state":"OFFLINE","offline":true}`
	for name, bodies := range map[string][]string{
		"a list":    {"[" + a + "," + b + "]"},
		"one page":  {`{"values":[` + a + "," + b + `],"isLastPage":true}`},
		"two pages": {`{"values":[` + a + `],"isLastPage":false,"nextPageStart":1}`, `{"values":[` + b + `],"isLastPage":true}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nodes, err := listsAs(t, http.StatusOK, bodies...).MeshNodes(t.Context())
			if err != nil || len(nodes) != 2 || nodes[0].ID != "1" || nodes[1].ID != "2" || !nodes[0].Available() || nodes[1].Available() {
				t.Errorf("%+v, %v", nodes, err)
			}
		})
	}
}

// An answer that is not a list of nodes is never taken for an empty one.
func TestMeshNodesAreNotGuessed(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `"none"`, `[{"id":1}]`, `[{"name":"a"}]`, `[7]`, `{"values":null}x`} {
		if nodes, err := listsAs(t, http.StatusOK, body).MeshNodes(t.Context()); err == nil {
			t.Errorf("%s: %v", body, nodes)
		}
	}
	if _, err := listsAs(t, http.StatusNotFound, `<html>`).MeshNodes(t.Context()); err == nil {
		t.Error("a 404 of somebody else counts as no nodes")
	}
	if nodes, err := listsAs(t, http.StatusNotFound, `{"errors":[{"message":"no such call"}]}`).MeshNodes(t.Context()); err != nil || len(nodes) > 0 {
		t.Errorf("a version without Mesh: %v, %v", nodes, err)
	}
}

func TestInconsistentReplicasAreCounted(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]int{
		`[]`: 0,
		`[{"node":{"id":1,"name":"a"},"inconsistentReplicas":[]}]`:                    0,
		`[{"node":{"id":1,"name":"a"},"inconsistentReplicas":[{"x":1},{"x":2}]}]`:     2,
		`[{"node":{"id":1,"name":"a"},"inconsistentReplicas":3}]`:                     3,
		`[{"node":{"name":"a"},"inconsistentReplicas":{"values":[1,2]}}]`:             2,
		`{"values":[{"repositoryId":7}],"isLastPage":true}`:                           1,
		`["something that nobody has documented"]`:                                    1,
		`[{"node":{"name":"a"},"inconsistentReplicas":1},{"inconsistentReplicas":1}]`: 2,
	} {
		got, err := listsAs(t, http.StatusOK, body).InconsistentReplicas(t.Context())
		if err != nil || got.Total() != want {
			t.Errorf("%s: %v, %v", body, got, err)
		}
	}
}

package bitbucket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Mesh is what an instance says of its Mesh nodes.
type Mesh struct {
	// Nodes are none for an instance that keeps its repositories in its home alone.
	Nodes []MeshNode
	// Inconsistent are the nodes with replicas that are behind, as text for people.
	Inconsistent Inconsistency
	// Err is why the nodes are not known; InconsistentErr, why their replicas are not.
	Err, InconsistentErr error
}

// MeshNode is a node as the instance lists it.
type MeshNode struct {
	ID      string
	Name    string
	RPCURL  string
	State   string
	Offline bool
}

// Is reports whether the node has a name or id.
func (n MeshNode) Is(nameOrID string) bool { return n.Name == nameOrID || n.ID == nameOrID }

// String is the node for people: its name, and its id.
func (n MeshNode) String() string { return fmt.Sprintf("%s (id %s)", n.Name, n.ID) }

// Available reports whether the node takes part in writes.
func (n MeshNode) Available() bool {
	return !n.Offline && (n.State == "" || n.State == available)
}

// Inconsistency counts the replicas that are behind others, by the name of the
// node.
type Inconsistency map[string]int

// Total is how many replicas are behind.
func (i Inconsistency) Total() int {
	sum := 0
	for _, n := range i {
		sum += n
	}
	return sum
}

const (
	pathMeshNodes    = "rest/api/latest/admin/git/mesh/nodes"
	pathMeshReplicas = "rest/ui/latest/admin/git/mesh/inconsistent-replicas"
	// mostPages bounds a list whose end never comes.
	mostPages = 1000
)

// MeshNodes lists the Mesh nodes. An instance without the call has none.
func (c *Client) MeshNodes(ctx context.Context) ([]MeshNode, error) {
	items, err := c.list(ctx, pathMeshNodes)
	if err != nil {
		return nil, err
	}
	var out []MeshNode
	for _, item := range items {
		var n struct {
			ID      json.RawMessage `json:"id"`
			Name    string          `json:"name"`
			RPCURL  string          `json:"rpcUrl"`
			State   string          `json:"state"`
			Offline bool            `json:"offline"`
		}
		if err := json.Unmarshal(item, &n); err != nil || len(n.ID) == 0 || n.Name == "" {
			return nil, &ReplyError{Call: http.MethodGet + " " + pathMeshNodes, Cause: fmt.Errorf("%w: a node has no id or no name", errForeign)}
		}
		out = append(out, MeshNode{ID: strings.Trim(string(n.ID), `"`), Name: n.Name, RPCURL: n.RPCURL, State: n.State, Offline: n.Offline})
	}
	return out, nil
}

// InconsistentReplicas counts the replicas that are behind others. The call is
// not documented: what it does not say in the known form counts as one replica,
// so that a list that is not empty is never taken for an empty one.
func (c *Client) InconsistentReplicas(ctx context.Context) (Inconsistency, error) {
	items, err := c.list(ctx, pathMeshReplicas)
	if err != nil {
		return nil, err
	}
	out := Inconsistency{}
	for _, item := range items {
		node, n := replicasOf(item)
		if n > 0 {
			out[node] += n
		}
	}
	return out, nil
}

// replicasOf reads an item of the list: a node with its replicas, as a list, an
// object or a number, or one replica.
func replicasOf(item json.RawMessage) (node string, n int) {
	var known struct {
		Node struct {
			Name string `json:"name"`
		} `json:"node"`
		Replicas json.RawMessage `json:"inconsistentReplicas"`
	}
	if json.Unmarshal(item, &known) != nil || len(known.Replicas) == 0 {
		return unknownNode, 1
	}
	if known.Node.Name == "" {
		known.Node.Name = unknownNode
	}
	return known.Node.Name, size(known.Replicas)
}

const unknownNode = "a node that is not named"

// size is how much a value holds: the elements of a list, those of a page, or a
// number as it is.
func size(value json.RawMessage) int {
	var list []json.RawMessage
	if json.Unmarshal(value, &list) == nil {
		return len(list)
	}
	if n, err := strconv.Atoi(string(bytes.TrimSpace(value))); err == nil {
		return n
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(value, &object) == nil {
		if values, paged := object["values"]; paged {
			return size(values)
		}
		return len(object)
	}
	return 1
}

// list reads a list that is one, or comes in pages. 404 in Bitbucket's own form
// is an empty one: a version that does not know the call has nothing to list.
func (c *Client) list(ctx context.Context, path string) ([]json.RawMessage, error) {
	var out []json.RawMessage
	start := ""
	for range mostPages {
		query := url.Values{}
		if start != "" {
			query.Set("start", start)
		}
		var reply json.RawMessage
		err := c.do(ctx, c.quick, call{
			method: http.MethodGet, path: path, query: query, out: &reply,
			complete: func() bool { return listed(reply) },
		})
		if refused(err, http.StatusNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		var all []json.RawMessage
		if json.Unmarshal(reply, &all) == nil {
			return append(out, all...), nil
		}
		var page struct {
			Values []json.RawMessage `json:"values"`
			Last   bool              `json:"isLastPage"`
			Next   json.Number       `json:"nextPageStart"`
		}
		if err := json.Unmarshal(reply, &page); err != nil {
			return nil, err
		}
		out = append(out, page.Values...)
		if page.Last || page.Next == "" || page.Next.String() == start {
			return out, nil
		}
		start = page.Next.String()
	}
	return nil, errors.New("the list has no end")
}

// listed reports whether a reply is a list or a page of one.
func listed(reply json.RawMessage) bool {
	text := bytes.TrimSpace(reply)
	if bytes.HasPrefix(text, []byte("[")) {
		return true
	}
	var page map[string]json.RawMessage
	return json.Unmarshal(text, &page) == nil && page["values"] != nil
}

// mesh looks at the Mesh nodes.
func (c *Client) mesh(ctx context.Context) Mesh {
	var m Mesh
	if m.Nodes, m.Err = c.MeshNodes(ctx); m.Err != nil || len(m.Nodes) == 0 {
		return m
	}
	m.Inconsistent, m.InconsistentErr = c.InconsistentReplicas(ctx)
	return m
}

// Denied reports whether the instance refused the credentials, or their permission.
func Denied(err error) bool { return denied(err) }

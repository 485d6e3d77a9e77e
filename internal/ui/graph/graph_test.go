package graph_test

import (
	"bytes"
	"flag"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gonum.org/v1/gonum/graph/formats/dot"
	"gonum.org/v1/gonum/graph/formats/dot/ast"

	"bkp/internal/engine/plan"
	"bkp/internal/ui/graph"
)

var update = flag.Bool("update", false, "write the golden files")

func file(homes ...string) plan.File {
	start := plan.NewNode(plan.Start, "instance.prod", "start the backup task")
	drain := plan.NewNode(plan.Drain, "instance.prod", "wait", start.ID)
	p := plan.Plan{Address: "instance.prod", Locked: &plan.Locked{Nodes: []plan.Node{start, drain}}}
	var captured []plan.NodeID
	for _, h := range homes {
		p.Before = append(p.Before, plan.NewNode(plan.Prepare, h, "copy "+h))
		capture := plan.NewNode(plan.Capture, h, "copy", drain.ID)
		p.Locked.Nodes = append(p.Locked.Nodes, capture)
		captured = append(captured, capture.ID)
	}
	finish := plan.NewNode(plan.Finish, homes[0], "dump", captured[0])
	store := plan.NewNode(plan.Store, "archive.tar.a", "write", append(captured[1:], finish.ID)...)
	p.After = []plan.Node{finish, store, plan.NewNode(plan.Prune, "retention.r", "keep", store.ID)}
	return plan.File{Plans: []plan.Plan{p}}
}

func drawn(t *testing.T, f plan.File, draw func(*bytes.Buffer) error) string {
	t.Helper()
	var out bytes.Buffer
	if err := draw(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func dotOf(t *testing.T, f plan.File) string {
	return drawn(t, f, func(b *bytes.Buffer) error { return graph.DOT(b, f) })
}

func mermaidOf(t *testing.T, f plan.File) string {
	return drawn(t, f, func(b *bytes.Buffer) error { return graph.Mermaid(b, f) })
}

func TestGolden(t *testing.T) {
	zero := file("home.zfs.a")
	zero.Plans[0].Locked = nil
	two := file("home.mirror.a", "database.postgresql.b")
	two.Plans = append(two.Plans, file("home.mirror.a").Plans[0])
	two.Plans[1].Address = "instance.staging"
	refers := file("home.mirror.a")
	refers.Plans[0].Refers = map[string][]string{
		"home.mirror.a": {"connection.ssh.a"}, "archive.tar.a": {"connection.ssh.a", "encryption.age.keys"},
		"encryption.age.keys": {"connection.ssh.b"},
	}
	for name, f := range map[string]plan.File{"refers": refers, "one": file("home.mirror.a", "database.postgresql.b"), "two": two, "no_lock": zero, "empty": {}} {
		for ext, got := range map[string]string{".dot": dotOf(t, f), ".mermaid": mermaidOf(t, f)} {
			golden := filepath.Join("testdata", name+ext)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s: -want +got; `go test ./internal/ui/graph -update` accepts:\n%s", golden, diff)
			}
		}
	}
}

// parsed is a DOT graph as a reader of the format sees it.
type parsed struct {
	labels map[string]string // of nodes, by id
	locked []string          // ids in the cluster of the lock
	edges  []string
}

func parse(t *testing.T, text string) parsed {
	t.Helper()
	f, err := dot.ParseString(text)
	if err != nil {
		t.Fatalf("no DOT: %v\n%s", err, text)
	}
	p := parsed{labels: map[string]string{}}
	p.walk(t, f.Graphs[0].Stmts, false)
	return p
}

func (p *parsed) walk(t *testing.T, stmts []ast.Stmt, locked bool) {
	for _, s := range stmts {
		switch s := s.(type) {
		case *ast.Subgraph:
			p.walk(t, s.Stmts, strings.HasPrefix(unquote(t, s.ID), "cluster_lock_"))
		case *ast.NodeStmt:
			id := unquote(t, s.Node.ID)
			for _, a := range s.Attrs {
				if a.Key == "label" {
					p.labels[id] = unquote(t, a.Val)
				}
			}
			if locked {
				p.locked = append(p.locked, id)
			}
		case *ast.EdgeStmt:
			p.edges = append(p.edges, unquote(t, s.From.(*ast.Node).ID)+" -> "+unquote(t, s.To.Vertex.(*ast.Node).ID))
		}
	}
}

func unquote(t *testing.T, s string) string {
	t.Helper()
	text, err := strconv.Unquote(s)
	if err != nil {
		t.Errorf("%s is not quoted: %v", s, err)
	}
	return text
}

var nasty = []string{
	`home.mirror.shared["a b"]`, `x"] ; evil [label="`, `back\`, `\N\G\l`, "two\nlines", "<b>bold</b>", "a|b{c}", "#quot;", "`md`", "end", "ü→🔒", `"`, `&lt;`, "%%{init}%%", "];",
}

func TestDOTHoldsEveryName(t *testing.T) {
	p := parse(t, dotOf(t, file(nasty...)))
	for _, name := range nasty {
		shown := strings.ReplaceAll(name, "\n", " ")
		if got := p.labels["instance.prod: "+shown+"/capture"]; got != shown+"\ncapture" {
			t.Errorf("%q: label %q", name, got)
		}
	}
	if want := 2*len(nasty) + 2 + 2 + 3; len(p.labels) != want {
		t.Errorf("%d nodes, want %d", len(p.labels), want)
	}
}

func TestTheLockIsCrossedAtItsEnds(t *testing.T) {
	p := parse(t, dotOf(t, file("home.mirror.a")))
	inst := func(names ...string) (out []string) {
		for _, n := range names {
			out = append(out, "instance.prod: "+n)
		}
		return out
	}
	if want := inst("lock", "instance.prod/start", "instance.prod/drain", "home.mirror.a/capture", "unlock"); !slices.Equal(p.locked, want) {
		t.Errorf("locked: %q", p.locked)
	}
	var want []string
	for _, e := range [][2]string{
		{"instance.prod/start", "instance.prod/drain"}, {"instance.prod/drain", "home.mirror.a/capture"}, {"home.mirror.a/capture", "home.mirror.a/finish"},
		{"home.mirror.a/finish", "archive.tar.a/store"}, {"archive.tar.a/store", "retention.r/prune"},
		{"home.mirror.a/prepare", "lock"}, {"lock", "instance.prod/start"}, {"home.mirror.a/capture", "unlock"}, {"unlock", "home.mirror.a/finish"},
	} {
		want = append(want, "instance.prod: "+e[0]+" -> instance.prod: "+e[1])
	}
	if diff := cmp.Diff(want, p.edges); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

var (
	mermaidNode = regexp.MustCompile(`^ +(?:subgraph )?(i\d+(?:n\d+|lock)?)\["([^"\]]*)"\]$`)
	mermaidEdge = regexp.MustCompile(`^  i\d+n\d+ --> i\d+n\d+$`)
	mermaidRest = regexp.MustCompile(`^(flowchart TB| +end|  style i\d+lock stroke:#c00,stroke-width:2px|)$`)
)

func TestMermaidHoldsEveryName(t *testing.T) {
	var shown []string
	for line := range strings.SplitSeq(mermaidOf(t, file(nasty...)), "\n") {
		m := mermaidNode.FindStringSubmatch(line)
		if m == nil {
			if !mermaidEdge.MatchString(line) && !mermaidRest.MatchString(line) {
				t.Errorf("not of the form: %s", line)
			}
			continue
		}
		// Mermaid writes #35; where HTML writes &#35;.
		shown = append(shown, html.UnescapeString(strings.ReplaceAll(m[2], "#", "&#")))
	}
	for _, name := range nasty {
		if !slices.Contains(shown, strings.ReplaceAll(name, "\n", " ")+"<br/>capture") {
			t.Errorf("%q is not shown", name)
		}
	}
}

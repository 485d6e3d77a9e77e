package lang

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// order returns the vertices so that each comes after all it refers to. The
// vertices of a cycle are reported, and broken.
func (l *loader) order() []*vertex {
	w := walk{loader: l, state: map[*vertex]int{}}
	for _, v := range l.vertices {
		if w.state[v] == 0 {
			w.visit(v)
		}
	}
	return w.done
}

// The states of a vertex during a walk; 0 is unseen.
const (
	onPath = iota + 1
	finished
)

// walk is a search in depth.
type walk struct {
	*loader
	state map[*vertex]int
	path  []*vertex
	done  []*vertex
}

func (w *walk) visit(v *vertex) {
	w.state[v] = onPath
	w.path = append(w.path, v)
	for _, name := range sortedNames(v.args) {
		for _, ref := range v.args[name].refs {
			for _, to := range ref.to {
				switch w.state[to] {
				case 0:
					w.visit(to)
				case onPath:
					w.cycle(to, ref.rng)
				}
			}
		}
	}
	w.path = w.path[:len(w.path)-1]
	w.state[v] = finished
	w.done = append(w.done, v)
}

// cycle reports the path from the vertex to itself.
func (w *walk) cycle(to *vertex, at hcl.Range) {
	members := w.path[slices.Index(w.path, to):]
	known := true
	var names []string
	for _, v := range members {
		known = known && v.broken
		v.broken = true
		names = append(names, v.address())
	}
	if known {
		return
	}
	w.report(problemAt(&at, "Cycle of references",
		fmt.Sprintf("%s -> %s.", strings.Join(names, " -> "), to.address()),
		"Remove one of these references, or put the value that they share into a local of its own."))
}

func sortedNames(args map[string]*argument) []string { return slices.Sorted(maps.Keys(args)) }

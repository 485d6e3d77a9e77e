package graph

import (
	"maps"
	"slices"

	"bkp/internal/engine/plan"
)

// The texts of what is drawn around the lock.
const (
	lockLabel   = "lock: users wait"
	lockTitle   = "lock"
	unlockTitle = "complete and unlock"
)

// node is a step, or one of the two ends of the lock.
type node struct {
	// id is unique within the plan.
	id plan.NodeID
	// lines of the label.
	lines []string
	// does is a longer text, "" for the ends of the lock.
	does string
}

type edge struct{ from, to plan.NodeID }

// drawing is one instance's plan as nodes and edges.
type drawing struct {
	title                 string
	before, locked, after []node
	edges                 []edge
	// used are components without a step, to which others refer; uses leads from
	// these to what refers to them.
	used []node
	uses []edge
}

// Ids of the ends of the lock; no step has such a one, for want of a slash.
const (
	lockID   plan.NodeID = "lock"
	unlockID plan.NodeID = "unlock"
)

func draw(p plan.Plan) drawing {
	d := drawing{title: p.Title(), before: nodes(p.Before), after: nodes(p.After)}
	d.refer(p)
	known := map[plan.NodeID]bool{}
	for _, n := range p.Nodes() {
		known[n.ID] = true
	}
	for _, n := range p.Nodes() {
		for _, need := range n.Needs {
			if known[need] {
				d.edges = append(d.edges, edge{need, n.ID})
			}
		}
	}
	if p.Locked == nil {
		if p.Live == nil {
			d.join(last(p.Before), first(p.After))
			return d
		}
		d.before = append(d.before, nodes(p.Live.Nodes)...)
		d.join(last(p.Before), first(p.Live.Nodes))
		d.join(last(p.Live.Nodes), first(p.After))
		return d
	}
	d.locked = slices.Concat([]node{{id: lockID, lines: []string{lockTitle}}}, nodes(p.Locked.Nodes), []node{{id: unlockID, lines: []string{unlockTitle}}})
	ends := []plan.NodeID{lockID}
	d.join(last(p.Before), ends)
	d.join(ends, first(p.Locked.Nodes))
	ends = []plan.NodeID{unlockID}
	d.join(last(p.Locked.Nodes), ends)
	d.join(ends, first(p.After))
	if len(p.Locked.Nodes) == 0 {
		d.join([]plan.NodeID{lockID}, ends)
	}
	return d
}

// refer draws what the components of the plan refer to.
func (d *drawing) refer(p plan.Plan) {
	at := map[string]plan.NodeID{}
	for _, n := range p.Nodes() {
		if _, seen := at[n.Address]; !seen {
			at[n.Address] = n.ID
		}
	}
	for _, from := range slices.Sorted(maps.Keys(p.Refers)) {
		for _, address := range append([]string{from}, p.Refers[from]...) {
			if _, seen := at[address]; !seen {
				at[address] = plan.NodeID(address)
				d.used = append(d.used, node{id: at[address], lines: []string{address}})
			}
		}
		for _, to := range p.Refers[from] {
			d.uses = append(d.uses, edge{at[to], at[from]})
		}
	}
}

func (d *drawing) join(from, to []plan.NodeID) {
	for _, f := range from {
		for _, t := range to {
			d.edges = append(d.edges, edge{f, t})
		}
	}
}

func nodes(list []plan.Node) []node {
	var out []node
	for _, n := range list {
		out = append(out, node{id: n.ID, lines: []string{n.Address, string(n.Phase)}, does: n.Where()})
	}
	return out
}

// first are the steps of a part that wait for no other of it, last those that
// no other of it waits for.
func first(list []plan.Node) []plan.NodeID {
	var out []plan.NodeID
	for _, n := range list {
		if !slices.ContainsFunc(list, func(o plan.Node) bool { return slices.Contains(n.Needs, o.ID) }) {
			out = append(out, n.ID)
		}
	}
	return out
}

func last(list []plan.Node) []plan.NodeID {
	var out []plan.NodeID
	for _, n := range list {
		if !slices.ContainsFunc(list, func(o plan.Node) bool { return slices.Contains(o.Needs, n.ID) }) {
			out = append(out, n.ID)
		}
	}
	return out
}

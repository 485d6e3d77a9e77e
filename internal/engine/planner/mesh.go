package planner

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/go-version"

	"bkp/internal/bitbucket"
	"bkp/internal/problem"
)

// firstHealing is the first version of Bitbucket that looks for replicas which
// disagree, and repairs them (BSERV-13312).
var firstHealing = version.Must(version.NewVersion("8.3"))

// partial is what a backup without one of the nodes would be.
const partial = "which node has which repository is known to Bitbucket and to the nodes alone, and a majority of the replicas decides what a repository holds: " +
	"after a restore without a node, repositories would be missing or old"

// nodes are the parts that stand for Mesh nodes.
func (p *planning) nodes() []Part {
	return slices.DeleteFunc(slices.Clone(p.Parts), func(part Part) bool { return part.Node == "" })
}

// mesh compares the nodes of the configuration with those of the instance. What the
// instance could not be asked is a finding of its own.
func (p *planning) mesh(seen bitbucket.Observation) {
	declared := p.nodes()
	switch m := seen.Mesh; {
	case m == nil:
	case m.Err != nil && len(declared) > 0:
		p.found(p.instance(), *problem.Wrap(m.Err, "the Mesh nodes cannot be listed", "the account must be a system administrator"))
	case m.Err != nil:
		p.found(p.instance(), *problem.Warn("the Mesh nodes cannot be listed", m.Err.Error()+"; if the instance has any, this backup lacks their repositories",
			"find out what answers at the instance's url, then plan again"))
	case len(m.Nodes) == 0 && len(declared) > 0:
		p.found(p.instance(), *problem.New("the instance has no Mesh nodes", fmt.Sprintf("mesh_nodes names %d, and %s lists none", len(declared), p.URL),
			"check url, or remove mesh_nodes"))
	case len(m.Nodes) > 0:
		p.compareNodes(declared, m.Nodes)
		p.meshHealth(*m, seen.Properties.Version)
	}
}

// compareNodes finds nodes without a block and blocks without a node.
func (p *planning) compareNodes(declared []Part, listed []bitbucket.MeshNode) {
	if len(declared) == 0 {
		p.found(p.instance(), *problem.New("Mesh nodes are not backed up", fmt.Sprintf("%s has the Mesh nodes %s, and the instance has no mesh_nodes", p.URL, names(listed)),
			"add a block mesh_node for each of them, and name them all in mesh_nodes"))
		return
	}
	taken := map[string]string{}
	for _, part := range declared {
		i := which(listed, part.Node)
		if i < 0 {
			p.found(part.Address, *problem.New("no such Mesh node", fmt.Sprintf("%s stands for the node %q, and %s has %s", part.Address, part.Node, p.URL, names(listed)),
				"set node to the node's name or id, or remove the block and its place in mesh_nodes"))
			continue
		}
		id := listed[i].ID
		if other, twice := taken[id]; twice {
			p.found(part.Address, *problem.New("Mesh node named twice", fmt.Sprintf("%s and %s both stand for %s", other, part.Address, listed[i]), "set node of each block to the node whose home it names"))
		}
		taken[id] = part.Address
		p.fact(part.Address, "node id", id)
	}
	for _, n := range listed {
		if taken[n.ID] == "" {
			p.found(p.instance(), *problem.New("a Mesh node is not backed up", fmt.Sprintf("no block in mesh_nodes stands for %s; %s", n, partial),
				"add a block mesh_node for it, and name it in mesh_nodes"))
		}
	}
}

// which is the node of a name, or else of an id; -1 for none. A name counts first: it
// may be another's number.
func which(listed []bitbucket.MeshNode, name string) int {
	if i := slices.IndexFunc(listed, func(n bitbucket.MeshNode) bool { return n.Name == name }); i >= 0 {
		return i
	}
	return slices.IndexFunc(listed, func(n bitbucket.MeshNode) bool { return n.ID == name })
}

func (p *planning) fact(address, key, value string) {
	facts := p.result.Plan.Facts[address]
	if facts == nil {
		facts = map[string]string{}
		p.result.Plan.Facts[address] = facts
	}
	facts[key] = value
}

// meshHealth warns of what a restore would bring back.
func (p *planning) meshHealth(m bitbucket.Mesh, running string) {
	if v, err := version.NewVersion(running); err == nil && v.Core().LessThan(firstHealing) {
		p.found(p.instance(), *problem.Warn("replicas that disagree are not repaired", fmt.Sprintf("%s runs version %s, and only %s or newer repairs Mesh replicas that disagree after a restore", p.URL, running, firstHealing),
			"update Bitbucket; until then, after a restore, push a new branch to each repository that bkp verify --mesh reports"))
	}
	for _, n := range m.Nodes {
		if !n.Available() {
			p.found(p.instance(), *problem.Warn("Mesh node is not available", fmt.Sprintf("%s is %s: what was pushed meanwhile is not on it, and the backup has it as it is", n, stateOf(n)),
				"start the node, wait until its replicas are repaired, then back up"))
		}
	}
	if m.InconsistentErr != nil {
		p.found(p.instance(), *problem.Warn("the state of the replicas is not known", m.InconsistentErr.Error(), "look at the Mesh nodes in Bitbucket's administration"))
	}
	if m.Inconsistent.Total() > 0 {
		p.found(p.instance(), *problem.Warn("Mesh replicas disagree", fmt.Sprintf("%s: the backup has them as they are, and a restore brings that back", inWords(m.Inconsistent)),
			"wait until Bitbucket has repaired them:\n\n    bkp verify --mesh "+p.Name))
	}
}

func stateOf(n bitbucket.MeshNode) string {
	if n.Offline || n.State == "" {
		return "offline"
	}
	return strings.ToLower(n.State)
}

// inWords lists how many replicas of each node are behind.
func inWords(i bitbucket.Inconsistency) string {
	var out []string
	for _, node := range slices.Sorted(maps.Keys(i)) {
		out = append(out, fmt.Sprintf("replicas on %s that are behind: %d", node, i[node]))
	}
	return strings.Join(out, ", ")
}

func names(listed []bitbucket.MeshNode) string {
	var out []string
	for _, n := range listed {
		out = append(out, n.String())
	}
	return strings.Join(out, ", ")
}

// lintNodes finds what keeps Mesh nodes from being captured as one.
func lintNodes(r Request) []Finding {
	var out []Finding
	for i, part := range r.Parts {
		if part.Node == "" {
			continue
		}
		if r.ZeroDowntime {
			out = append(out, Finding{part.Address, *problem.New("Mesh nodes need the lock", part.Address+" would be captured while users push: replicas that are captured at different instants disagree after a restore",
				"remove zero_downtime from "+r.Address)})
		}
		out = append(out, overlaps(r, i)...)
	}
	return out
}

// overlaps finds what lies in a node's home, or around it, of the parts before it and of the home.
func overlaps(r Request, at int) []Finding {
	var out []Finding
	if len(r.Open[r.Parts[at].Address]) > 0 {
		return nil
	}
	for i, other := range r.Parts {
		if i == at || other.On != r.Parts[at].On || other.Node != "" && i > at || len(r.Open[other.Address]) > 0 {
			continue
		}
		for _, a := range r.Parts[at].Strategy.Paths().Live {
			for _, b := range other.Strategy.Paths().Live {
				if below(a, b) || below(b, a) {
					out = append(out, Finding{r.Parts[at].Address, *problem.New("a Mesh node shares its folder", fmt.Sprintf("%s of %s and %s of %s are the same, or one contains the other", a, r.Parts[at].Address, b, other.Address),
						"give each block the folder of its own node: no two of them share a home")})
				}
			}
		}
	}
	return out
}

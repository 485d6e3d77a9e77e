package providers

import (
	"strings"
	"time"
)

// NodeNamer is the configuration of a Mesh node: which of the instance's nodes a
// block stands for.
type NodeNamer interface {
	// NodeName is the name or the id that the instance knows the node by, of the block
	// at an address.
	NodeName(address string) string
}

// IsMeshNode reports whether the component at an address is a Mesh node.
func IsMeshNode(address string) bool { return strings.HasPrefix(address, MeshNodes.Name()+".") }

// NodesApart is the time between the first and the last instant of the Mesh nodes,
// 0 with fewer than two.
func (m Manifest) NodesApart() time.Duration {
	var first, last time.Time
	for _, a := range m.Artifacts {
		if !IsMeshNode(a.Address) {
			continue
		}
		if first.IsZero() || a.PointInTime.Before(first) {
			first = a.PointInTime
		}
		if a.PointInTime.After(last) {
			last = a.PointInTime
		}
	}
	return last.Sub(first)
}

package engine

import (
	"encoding/json"
	"maps"
	"slices"

	"bkp/lang"
	"bkp/providers"
)

// Policy is what a service has to allow for a block.
type Policy struct {
	// Type is always "policy".
	Type    string `json:"type"`
	Address string `json:"address"`
	Title   string `json:"title"`
	// Rights with their reasons, by their names in the document.
	Rights []PolicyRight `json:"rights"`
	// Document is for the service.
	Document json.RawMessage `json:"document"`
}

// PolicyRight is one of a policy. Tried is set if a plan tries it.
type PolicyRight struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
	Tried  bool   `json:"tried"`
}

// Policies are what services have to allow for the blocks of instances, each block
// once, from the configuration alone.
func (eng *Engine) Policies(names []string) ([]Policy, error) {
	instances, err := eng.Instances(names)
	if err != nil {
		return nil, err
	}
	var out []Policy
	for _, i := range instances {
		for _, address := range eng.uses(i) {
			c, found := eng.Config.Component(address)
			if !found || slices.ContainsFunc(out, func(p Policy) bool { return p.Address == address }) {
				continue
			}
			if asks, ok := c.Config.(providers.Permitted); ok {
				out = append(out, policyOf(address, asks.Policy()))
			}
		}
	}
	return out, nil
}

// uses are the addresses of all blocks that an instance names, and of those that
// these name.
func (eng *Engine) uses(i *lang.Instance) []string {
	var out []string
	for _, r := range i.Parts() {
		out = append(out, r.Address)
	}
	for _, r := range i.Shelves() {
		out = append(out, r.Address)
	}
	refers := eng.refers(i)
	for _, from := range slices.Sorted(maps.Keys(refers)) {
		out = append(out, refers[from]...)
	}
	return out
}

func policyOf(address string, p providers.Policy) Policy {
	out := Policy{Type: "policy", Address: address, Title: p.Title, Document: p.Document}
	for _, r := range p.Rights {
		out.Rights = append(out.Rights, PolicyRight{r.Name, r.Reason, r.Tried})
	}
	return out
}

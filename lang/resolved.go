package lang

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"bkp/internal/secret"
	"bkp/providers"
)

// Resolved is the value of every attribute by the address of its block,
// defaults included, as JSON. A secret that is set is "(sensitive)", a
// reference is the address it leads to. encoding/json writes it canonically.
type Resolved map[string]map[string]json.RawMessage

// Change is an attribute that differs between two configurations. Before or
// After is nil when the attribute is not there at all.
type Change struct {
	Address, Attribute string
	Before, After      json.RawMessage
}

// Resolved returns the values that were decoded without an error. The caller
// must not change them.
func (c *Config) Resolved() Resolved { return c.resolved }

// Digest identifies what the configuration says: it changes with any resolved
// value, and not with comments, order, variables or how a value is written.
func (c *Config) Digest() string {
	text, err := json.Marshal(c.resolved)
	if err != nil {
		// Every value was made by json.Marshal.
		panic(err)
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Changes lists what differs in now, sorted by address and attribute.
func (r Resolved) Changes(now Resolved) []Change {
	var out []Change
	for _, address := range union(r, now) {
		for _, name := range union(r[address], now[address]) {
			before, after := r[address][name], now[address][name]
			if !bytes.Equal(before, after) {
				out = append(out, Change{address, name, before, after})
			}
		}
	}
	return out
}

func union[V any](a, b map[string]V) []string {
	keys := slices.Collect(maps.Keys(a))
	keys = slices.AppendSeq(keys, maps.Keys(b))
	slices.Sort(keys)
	return slices.Compact(keys)
}

// set records a value; JSON that cannot be made is null.
func (r Resolved) set(address, name string, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		text = []byte("null")
	}
	if r[address] == nil {
		r[address] = map[string]json.RawMessage{}
	}
	r[address][name] = text
}

// setAll records what a decoded struct holds under prefix+name.
func (r Resolved) setAll(address, prefix string, s providers.Schema, cfg any) {
	if r[address] == nil {
		r[address] = map[string]json.RawMessage{}
	}
	for _, a := range s.Attributes {
		r.set(address, prefix+a.Name, plain(a, cfg))
	}
	for _, b := range s.Blocks {
		for n, nested := range b.In(cfg) {
			path := prefix + b.Name
			if b.Repeatable() {
				path = indexed(path, n)
			}
			r.setAll(address, path+".", b.Schema, nested)
		}
	}
}

// plain is a field's value in a form whose JSON a person can read.
func plain(a providers.Attribute, cfg any) any {
	if a.Refers != "" {
		return leadsTo(a, cfg)
	}
	switch v := a.Field(cfg).Interface().(type) {
	case secret.String:
		if !v.IsSet() {
			return nil
		}
		return secret.Hidden
	case time.Duration:
		return v.String()
	default:
		return v
	}
}

// leadsTo shows references by the addresses of what they lead to.
func leadsTo(a providers.Attribute, cfg any) any {
	addresses := a.Addresses(cfg)
	switch {
	case a.Many():
		return addresses
	case len(addresses) == 0:
		return nil
	default:
		return addresses[0]
	}
}

package plan

import (
	"fmt"
	"maps"
	"slices"
)

// Change is one difference between a saved plan and what is seen now.
type Change struct {
	// What changed: "tool", "configuration" or "facts".
	What string
	// Address and Key name the value; Old or New is "" where there is none.
	Address, Key, Old, New string
}

// String tells the change in one line.
func (c Change) String() string {
	where := c.Key
	if c.Address != "" {
		where = c.Address + ": " + c.Key
	}
	switch {
	case c.Old == "":
		return fmt.Sprintf("%s: %s is new: %s", c.What, where, c.New)
	case c.New == "":
		return fmt.Sprintf("%s: %s is gone, it was %s", c.What, where, c.Old)
	default:
		return fmt.Sprintf("%s: %s was %s, is %s", c.What, where, c.Old, c.New)
	}
}

// Stale compares a saved plan with one made now and tells what changed; none
// means the saved plan still holds.
func Stale(saved, now File) []Change {
	var out []Change
	if saved.Tool != now.Tool {
		out = append(out, Change{What: "tool", Key: "version", Old: saved.Tool, New: now.Tool})
	}
	out = append(out, differences("configuration", saved.Config, now.Config)...)
	if len(out) == 0 && saved.ConfigDigest != now.ConfigDigest {
		out = append(out, Change{What: "configuration", Key: "digest", Old: saved.ConfigDigest, New: now.ConfigDigest})
	}
	for _, s := range saved.Plans {
		i := slices.IndexFunc(now.Plans, func(p Plan) bool { return p.Instance == s.Instance })
		if i < 0 {
			out = append(out, Change{What: "configuration", Key: "instance " + s.Instance, Old: "planned"})
			continue
		}
		out = append(out, differences("facts", s.Facts, now.Plans[i].Facts)...)
	}
	return out
}

func differences(what string, old, now map[string]map[string]string) []Change {
	var out []Change
	for _, addr := range union(old, now) {
		for _, key := range union(old[addr], now[addr]) {
			o, n := old[addr][key], now[addr][key]
			if o != n {
				out = append(out, Change{What: what, Address: addr, Key: key, Old: o, New: n})
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

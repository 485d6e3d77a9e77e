package plan

import (
	"encoding/json"
	"maps"
	"slices"
)

// Ground is what a saved plan rests on.
type Ground string

// The grounds, in the order in which changes are reported.
const (
	GroundFormat        Ground = "format"
	GroundTool          Ground = "tool"
	GroundConfiguration Ground = "configuration"
	GroundFacts         Ground = "facts"
)

// Change is one difference between a saved plan and what is seen now.
type Change struct {
	Ground Ground
	// Address and Key name the value. Address is "" for a format or a tool, Key
	// for a block that is new or gone as a whole.
	Address, Key string
	// Old and New are JSON texts for GroundConfiguration, and otherwise plain.
	Old, New string
	// Added values had no Old, Removed ones have no New.
	Added, Removed bool
}

// Stale compares a saved plan with one made now and returns what changed; none
// means the saved plan still holds.
func Stale(saved, now File) []Change {
	var out []Change
	if saved.Tool != now.Tool {
		out = append(out, Change{Ground: GroundTool, Key: "version", Old: saved.Tool, New: now.Tool})
	}
	out = append(out, differences(GroundConfiguration, texts(saved.Config), texts(now.Config))...)
	if len(out) == 0 && saved.ConfigDigest != now.ConfigDigest {
		out = append(out, Change{Ground: GroundConfiguration, Key: "digest", Old: saved.ConfigDigest, New: now.ConfigDigest})
	}
	for _, s := range saved.Plans {
		i := slices.IndexFunc(now.Plans, func(p Plan) bool { return p.Instance == s.Instance })
		if i < 0 {
			if c := (Change{Ground: GroundConfiguration, Address: s.Address, Removed: true}); !slices.Contains(out, c) {
				out = append(out, c)
			}
			continue
		}
		out = append(out, differences(GroundFacts, s.Facts, now.Plans[i].Facts)...)
	}
	return out
}

func differences(ground Ground, old, now map[string]map[string]string) []Change {
	var out []Change
	for _, addr := range union(old, now) {
		before, had := old[addr]
		after, has := now[addr]
		if had != has {
			out = append(out, Change{Ground: ground, Address: addr, Added: has, Removed: had})
			continue
		}
		for _, key := range union(before, after) {
			o, had := before[key]
			n, has := after[key]
			if had != has || o != n {
				out = append(out, Change{Ground: ground, Address: addr, Key: key, Old: o, New: n, Added: !had, Removed: !has})
			}
		}
	}
	return out
}

func texts(config map[string]map[string]json.RawMessage) map[string]map[string]string {
	out := map[string]map[string]string{}
	for address, attrs := range config {
		out[address] = map[string]string{}
		for name, raw := range attrs {
			out[address][name] = string(raw)
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

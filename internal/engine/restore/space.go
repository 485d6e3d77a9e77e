package restore

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

const freeSome = "free some space, or restore to a larger disk"

// staging is what unpacking takes. How much single paths hold is not known.
func (p Plan) staging() []providers.SpaceNeed {
	var out []providers.SpaceNeed
	for _, part := range p.Parts {
		if isStored(part) && len(part.Artifact.Only) == 0 {
			out = append(out, providers.SpaceNeed{Path: p.stageOf(part), Bytes: part.Copy.Space(), For: "unpacking " + part.Artifact.Address})
		}
	}
	return out
}

// Needs are those that the part's strategy gave, with the size of the part in them
// where that counts.
func (p Part) Needs(space []providers.SpaceNeed) []providers.SpaceNeed {
	out := slices.Clone(space)
	for i := range out {
		if p.Copy != nil {
			out[i].Bytes += out[i].Times * p.Copy.Space()
		}
		out[i].Times = 0
	}
	return out
}

// Enough compares what a restore takes with what is free. It is known for
// certain only while nobody else writes, so a restore that still runs out of
// space says so by itself.
func Enough(needs []providers.SpaceNeed) []Finding {
	type sum struct {
		space host.Space
		need  uint64
		parts []string
	}
	sums := map[string]*sum{}
	for _, n := range needs {
		space, err := (&host.Host{}).Space(n.Path)
		if err != nil || n.Bytes <= 0 {
			continue // the strategy's own check reports a target that cannot be reached
		}
		s := sums[space.Filesystem]
		if s == nil {
			s = &sum{space: space}
			sums[space.Filesystem] = s
		}
		s.need += uint64(n.Bytes)
		s.parts = append(s.parts, fmt.Sprintf("%s for %s at %s", humanize.Bytes(uint64(n.Bytes)), n.For, n.Path))
	}
	var out []Finding
	for _, filesystem := range slices.Sorted(maps.Keys(sums)) {
		if s := sums[filesystem]; s.need > s.space.Free {
			out = append(out, Finding{Problem: *problem.New("not enough disk space", fmt.Sprintf("needs %s, free %s: %s",
				humanize.Bytes(s.need), humanize.Bytes(s.space.Free), strings.Join(s.parts, "; ")), freeSome)})
		}
	}
	return out
}

// full says of a step that ran out of space what to do about it.
func full(err error) error {
	if !host.IsFull(err) {
		return err
	}
	return problem.Wrap(err, "no space left for the restore", freeSome+"; this is no damage of the backup")
}

package remote

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

// checkSpace adds up the needs that share a file system of this machine.
func checkSpace(r *providers.Report) {
	type sum struct {
		free, need uint64
		parts      []string
	}
	sums := map[string]*sum{}
	for _, n := range r.Space {
		space, err := (&host.Host{}).Space(n.Path)
		if err != nil || n.Bytes <= 0 {
			continue // the strategy's own check reports a folder that cannot be reached
		}
		s := sums[space.Filesystem]
		if s == nil {
			s = &sum{free: space.Free}
			sums[space.Filesystem] = s
		}
		s.need += uint64(n.Bytes)
		s.parts = append(s.parts, fmt.Sprintf("%s for %s at %s", humanize.Bytes(uint64(n.Bytes)), n.For, n.Path))
	}
	for _, filesystem := range slices.Sorted(maps.Keys(sums)) {
		if s := sums[filesystem]; s.need > s.free {
			r.Add(problem.New("not enough disk space on the other machine", fmt.Sprintf("needs %s, free %s: %s", humanize.Bytes(s.need), humanize.Bytes(s.free), strings.Join(s.parts, "; ")),
				"free some space there, or set state_dir of the connection to a larger disk"))
		}
	}
}

package engine

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bkp/internal/engine/apply"
	"bkp/internal/engine/plan"
	"bkp/internal/event"
)

// shownMachines is how many machines a summary names: those that took longest.
const shownMachines = 4

// machineWindows is what other machines took of a lock window, by their connections:
// each the longest of its captures, which run at the same time.
func machineWindows(p plan.Plan, w apply.Window) map[string]time.Duration {
	out := map[string]time.Duration{}
	if p.Locked == nil {
		return out
	}
	for _, n := range p.Locked.Nodes {
		if took, ok := w.Captures[n.Address]; ok && n.Phase == plan.Capture && n.Host != "" {
			out[n.Host] = max(out[n.Host], took)
		}
	}
	return out
}

// slowest names the machines that took longest, "" without any.
func slowest(took map[string]time.Duration) string {
	names := slices.SortedFunc(maps.Keys(took), func(a, b string) int {
		return cmp.Or(cmp.Compare(took[b], took[a]), strings.Compare(a, b))
	})
	var out []string
	for _, name := range names[:min(len(names), shownMachines)] {
		out = append(out, fmt.Sprintf("%s %s", name, event.Duration(took[name])))
	}
	if more := len(names) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("%d more took less", more))
	}
	return strings.Join(out, ", ")
}

package engine

import (
	"testing"
	"time"

	"bkp/internal/engine/apply"
	"bkp/internal/engine/plan"
)

// TestEachMachineHasItsPartOfTheWindow: its longest capture, and no part of those here.
func TestEachMachineHasItsPartOfTheWindow(t *testing.T) {
	p := plan.Plan{Locked: &plan.Locked{}}
	w := apply.Window{Captures: map[string]time.Duration{}}
	for address, on := range map[string]string{"home.a.b": "filer", "elasticsearch.a.b": "filer", "mesh_node.a.1": "one", "mesh_node.a.2": "two", "mesh_node.a.3": "three", "mesh_node.a.4": "four", "database.a.b": ""} {
		p.Locked.Nodes = append(p.Locked.Nodes, plan.NewNode(plan.Capture, address, "").At(on))
		w.Captures[address] = time.Duration(len(address)+int(address[len(address)-1])) * time.Millisecond
	}
	w.Captures["home.a.b"] = time.Second
	took := machineWindows(p, w)
	if took["filer"] != time.Second || len(took) != 5 {
		t.Errorf("%v", took)
	}
	if got := slowest(took); got != "filer 1s, four 65ms, three 64ms, two 63ms, 1 more took less" {
		t.Errorf("%q", got)
	}
	if slowest(nil) != "" || len(machineWindows(plan.Plan{}, w)) > 0 {
		t.Error("machines are named where nothing was captured")
	}
}

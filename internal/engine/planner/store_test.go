package planner_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"bkp/internal/engine/plan"
	"bkp/internal/engine/planner"
	"bkp/internal/host"
	"bkp/internal/records/retention"
	"bkp/providers"
)

// TestStoreAsksTheInstanceNothing: it has no observer and no parts. The backup
// that an archive holds already is not counted twice, nor removed.
func TestStoreAsksTheInstanceNothing(t *testing.T) {
	const old, this = providers.BackupID("prod-20261121T214431Z"), providers.BackupID("prod-20261122T214431Z")
	a := archiver{destination: t.TempDir(), estimate: &providers.Estimate{}}
	for _, id := range []providers.BackupID{this, old} {
		a.list = append(a.list, providers.Manifest{ID: id, Instance: "prod"})
	}
	result, err := planner.Store(t.Context(), planner.Request{
		Name: "prod", StateDir: t.TempDir(), Disk: &host.Host{}, Now: time.Now,
		Archives: []planner.Archive{{Address: "archive.tar.a", Archiver: a, Retention: &planner.Retention{Address: "retention.r", Policy: retention.Policy{Last: 1}}}},
	}, providers.Manifest{ID: this, Instance: "prod"})
	if err != nil || len(result.Errors()) > 0 || result.Plan.Locked != nil || len(result.Plan.After) != 2 {
		t.Fatalf("got %+v, %v", result, err)
	}
	var args plan.PruneArgs
	if err := json.Unmarshal(result.Plan.After[1].Args, &args); err != nil || !slices.Equal(args.Remove, []string{string(old)}) {
		t.Errorf("removes %v, %v", args.Remove, err)
	}
}

package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"bkp/internal/engine/plan"
	"bkp/internal/engine/prune"
	"bkp/internal/records/retention"
	"bkp/providers"
)

// prune removes the backups of one archive that the plan names, as far as the
// rules still remove them: no backup is lost to a plan that was made too long ago.
func (r *Run) prune(ctx context.Context, n plan.Node) error {
	var args plan.PruneArgs
	var policy retention.Policy
	if err := json.Unmarshal(n.Args, &args); err != nil {
		return err
	}
	if err := json.Unmarshal(args.Policy, &policy); err != nil {
		return err
	}
	a, ok := r.Archives[n.Address]
	if !ok {
		return fmt.Errorf("the plan names %s, which is not there", n.Address)
	}
	now := time.Now()
	known, err := prune.Read(r.Catalog, r.Plan.Instance, r.Plan.URL, now)
	if err != nil {
		return err
	}
	items, _, err := known.Items(ctx, n.Address, a, r.Plan.Instance, r.Plan.URL)
	if err != nil {
		return err
	}
	decisions, err := retention.Decide(policy, items, now)
	if err != nil {
		return err
	}
	var remove []providers.BackupID
	for _, d := range decisions {
		if !d.Keep && slices.Contains(args.Remove, d.ID) {
			remove = append(remove, providers.BackupID(d.ID))
		}
	}
	return r.remove(ctx, n.Address, a, remove...)
}

// remove removes backups from an archive, and from the list.
func (r *Run) remove(ctx context.Context, address string, a providers.Archiver, ids ...providers.BackupID) error {
	gone, err := prune.Remove(ctx, r.Catalog, address, a, ids)
	for _, id := range gone {
		if !slices.Contains(r.removed, string(id)) {
			r.removed = append(r.removed, string(id))
		}
	}
	return err
}

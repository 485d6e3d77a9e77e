package apply

import (
	"context"
	"fmt"
	"time"

	"bkp/internal/engine/plan"
	"bkp/internal/engine/walk"
)

// live captures while users work: every part at once, and each is of one instant by
// itself. By how much these differ is bounded, and measured.
func (r *Run) live(ctx context.Context, l plan.Live) error {
	if err := r.warmParts(ctx); err != nil {
		return err
	}
	most := time.Duration(l.MaxSkew)
	tooLong := fmt.Errorf("%w of %s", ErrSkew, most)
	ctx, cancel := context.WithTimeoutCause(ctx, most, tooLong)
	defer cancel()
	begun := time.Now()
	if err := walk.Nodes(ctx, r.Cleanup, l.Nodes, len(l.Nodes), r.step); err != nil {
		return err
	}
	// A capture may have come to its end although its time was over.
	if r.skew = time.Since(begun); r.skew > most {
		return tooLong
	}
	return nil
}

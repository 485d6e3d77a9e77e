package watch_test

import (
	"testing"

	"bkp/internal/engine/plan"
	"bkp/internal/engine/watch"
	"bkp/internal/event"
)

type last struct{ e event.Event }

func (l *last) Emit(e event.Event) { l.e = e }

// TestTotals: what the beginning of a step said is its total, unless the step knows
// better, and never less than what is done.
func TestTotals(t *testing.T) {
	var next last
	totals := watch.NewTotals(&next)
	begin := func(files, bytes int64) {
		totals.Emit(event.Event{Kind: event.StepStarted, Address: "a", TotalFiles: files, TotalBytes: bytes})
	}
	for name, c := range map[string]struct {
		files, bytes int64
		progress     event.Event
		want         plan.Size
	}{
		"expected":         {10, 100, event.Event{Files: 3, Bytes: 30}, plan.Size{Files: 10, Bytes: 100}},
		"knows better":     {10, 100, event.Event{Files: 3, Bytes: 30, TotalFiles: 4, TotalBytes: 40}, plan.Size{Files: 4, Bytes: 40}},
		"more than told":   {10, 100, event.Event{Files: 12, Bytes: 130}, plan.Size{Files: 12, Bytes: 130}},
		"nothing expected": {0, 0, event.Event{Files: 3, Bytes: 30}, plan.Size{}},
		"bytes alone":      {0, 100, event.Event{Files: 3, Bytes: 30}, plan.Size{Bytes: 100}},
	} {
		begin(c.files, c.bytes)
		c.progress.Kind, c.progress.Address = event.StepProgress, "a"
		totals.Emit(c.progress)
		if got := (plan.Size{Files: next.e.TotalFiles, Bytes: next.e.TotalBytes}); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	if _, known := totals.Counted("b"); known {
		t.Error("something was counted of what said nothing")
	}
	totals.Emit(event.Event{Kind: event.StepProgress, Address: "b", Files: 7, Bytes: 70})
	if got, known := totals.Counted("b"); !known || got != (plan.Size{Files: 7, Bytes: 70}) {
		t.Errorf("counted %+v, %v", got, known)
	}
}

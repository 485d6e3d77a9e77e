package watch_test

import (
	"slices"
	"testing"
	"time"

	"bkp/internal/engine/watch"
	"bkp/internal/event"
	"bkp/internal/records/running"
)

var begun = time.Unix(1_800_000_000, 0)

func TestARunIsNoted(t *testing.T) {
	var shown []running.Step
	alarms := 0
	r := &watch.Run{Show: func(s running.Step) { shown = append(shown, s) }, Alarm: func(string) { alarms++ }}
	step := func(kind event.Kind, address, phase string) event.Event {
		return event.Event{Time: begun, Kind: kind, Address: address, Phase: phase, Elapsed: time.Second}
	}
	for _, e := range []event.Event{
		step(event.StepStarted, "home.a.b", "prepare"),
		step(event.StepDone, "home.a.b", "prepare"),
		{Time: begun, Kind: event.Locked},
		step(event.StepStarted, "home.a.b", "capture"),
		step(event.StepStarted, "database.a.b", "capture"),
		step(event.StepFailed, "database.a.b", "capture"),
		{Time: begun, Kind: event.Unlocked},
		{Time: begun, Kind: event.Warning, Address: "home.a.b", Message: "slow"},
		{Time: begun, Kind: event.Warning, Address: "home.a.b", Message: "slow"},
		{Time: begun, Kind: event.MayBeLocked, Error: "no answer"},
		{Time: begun, Kind: event.Summary, Details: map[string]any{"lock_window_ns": 3 * time.Second, "removed": []string{"x"}}},
	} {
		r.Emit(e)
	}
	f := r.Facts()
	if !slices.Equal(f.Warnings, []string{"home.a.b: slow"}) || f.Window != 3*time.Second || !slices.Equal(f.Removed, []string{"x"}) || alarms != 1 {
		t.Errorf("noted %+v, %d alarms", f, alarms)
	}
	if len(f.Steps) != 2 || f.Steps[0].Failed || !f.Steps[1].Failed || f.Steps[1].Took != time.Second {
		t.Errorf("steps %+v", f.Steps)
	}
	underLock := slices.ContainsFunc(shown, func(s running.Step) bool { return s.Phase == "capture" && s.Locked })
	early := slices.ContainsFunc(shown, func(s running.Step) bool { return s.Phase == "prepare" && s.Locked })
	if !underLock || early {
		t.Errorf("shown %+v", shown)
	}
}

// TestProgressIsWrittenOnceASecond: it comes by the thousand, and each is a file.
func TestProgressIsWrittenOnceASecond(t *testing.T) {
	var shown []running.Step
	r := &watch.Run{Show: func(s running.Step) { shown = append(shown, s) }}
	r.Emit(event.Event{Time: begun, Kind: event.StepStarted, Address: "a", Phase: "store"})
	for i := range 2000 {
		r.Emit(event.Event{Time: begun.Add(time.Duration(i) * time.Millisecond), Kind: event.StepProgress, Address: "a", Files: int64(i)})
	}
	if len(shown) != 2 || shown[1].Files != 1000 {
		t.Errorf("%d were shown: %+v", len(shown), shown)
	}
}

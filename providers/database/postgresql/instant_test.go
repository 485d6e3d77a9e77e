package postgresql

import (
	"testing"
	"time"
)

// TestTheInstantIsByTheClockOfThisMachine, wherever the server runs.
func TestTheInstantIsByTheClockOfThisMachine(t *testing.T) {
	asked := time.Date(2026, 11, 22, 21, 44, 31, 0, time.UTC)
	answered := asked.Add(10 * time.Millisecond)
	for ahead, want := range map[time.Duration]time.Time{
		4 * time.Millisecond: asked.Add(4 * time.Millisecond),
		3 * time.Minute:      asked.Add(5 * time.Millisecond),
		-3 * time.Minute:     asked.Add(5 * time.Millisecond),
	} {
		at := asked.Add(ahead)
		instant, by := instantOf(at, asked, answered)
		if !instant.Equal(want) || !instant.Add(by).Equal(at) {
			t.Errorf("a server that is ahead by %s: %s, ahead by %s", ahead, instant, by)
		}
	}
}

package engine

import (
	"testing"
	"time"
)

// TestShortBudgetHasAShortGrace: users who were promised seconds do not wait for
// half a minute when bkp hangs.
func TestShortBudgetHasAShortGrace(t *testing.T) {
	for budget, want := range map[time.Duration]time.Duration{
		5 * time.Second: 10 * time.Second, 30 * time.Second: time.Minute, 10 * time.Minute: 10*time.Minute + 30*time.Second,
	} {
		if got := hungAfter(budget); got != want {
			t.Errorf("with a budget of %s it hangs after %s, not %s", budget, got, want)
		}
	}
}

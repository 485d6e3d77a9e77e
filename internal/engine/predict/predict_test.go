package predict_test

import (
	"testing"
	"time"

	"bkp/internal/engine/plan"
	"bkp/internal/engine/predict"
	"bkp/providers"
)

func run(day int, window time.Duration, change *providers.Change) providers.Manifest {
	return providers.Manifest{
		Created: time.Date(2026, 11, day, 2, 0, 0, 0, time.UTC), LockWindow: window,
		Artifacts: []providers.Artifact{{Change: change}, {}},
	}
}

func TestWindow(t *testing.T) {
	second := func(n int) plan.Duration { return plan.Duration(time.Duration(n) * time.Second) }
	var many []providers.Manifest
	for day := 1; day <= 20; day++ {
		many = append(many, run(day, time.Duration(day)*time.Second, nil))
	}
	cases := map[string]struct {
		history []providers.Manifest
		want    plan.Prediction
	}{
		"no run":        {nil, plan.Prediction{}},
		"no lock":       {[]providers.Manifest{run(1, 0, nil)}, plan.Prediction{}},
		"one":           {[]providers.Manifest{run(1, time.Second, nil)}, plan.Prediction{Runs: 1, Expected: second(1), Low: second(1), High: second(1)}},
		"the last ones": {many, plan.Prediction{Runs: 10, Expected: second(16), Low: second(11), High: second(20)}},
		"one outlier": {[]providers.Manifest{run(1, 9*time.Second, nil), run(2, time.Second, nil), run(3, 2*time.Second, nil)},
			plan.Prediction{Runs: 3, Expected: second(2), Low: second(1), High: second(9)}},
		"rate": {[]providers.Manifest{
			run(1, time.Second, &providers.Change{Files: 10, Bytes: 1000, Over: 30 * time.Second}),
			run(2, time.Second, &providers.Change{Files: 20, Bytes: 5000, Over: 90 * time.Second}),
			run(3, time.Second, &providers.Change{}),
		}, plan.Prediction{Runs: 3, Expected: second(1), Low: second(1), High: second(1), FilesPerMinute: 15, BytesPerMinute: 3000}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := predict.Window(c.history); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestExceeds(t *testing.T) {
	budget := plan.Duration(10 * time.Second)
	for high, want := range map[time.Duration]bool{7 * time.Second: false, 8 * time.Second: false, 9 * time.Second: true, 20 * time.Second: true} {
		if got := predict.Exceeds(plan.Prediction{Runs: 1, High: plan.Duration(high)}, budget); got != want {
			t.Errorf("%s of 10s: %v", high, got)
		}
	}
	if predict.Exceeds(plan.Prediction{High: budget}, budget) {
		t.Error("a prediction without runs has no text")
	}
}

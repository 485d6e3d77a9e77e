package main

import (
	"math"
	"testing"
	"time"
)

func TestWindows(t *testing.T) {
	of := func(method string, windows ...time.Duration) measurement {
		m := measurement{Method: method}
		for _, w := range windows {
			m.Samples = append(m.Samples, sample{Window: w})
		}
		return m
	}
	results := []result{
		{Scale: 1, Size: size{Files: 10}, Measurements: []measurement{of("ours", 0, 0), of("theirs", 2*time.Second, 3*time.Second, 7*time.Second)}},
		{Scale: 3, Size: size{Files: 30}, Measurements: []measurement{of("ours", time.Second)}},
	}
	got := windows(results, "theirs")
	if len(got.XYs) != 1 || got.XYs[0].X != 10 || got.XYs[0].Y != 3 || got.YErrors[0].Low != 1 || got.YErrors[0].High != 4 {
		t.Errorf("theirs: %+v", got)
	}
	got = windows(results, "ours")
	if len(got.XYs) != 2 || got.XYs[0].Y <= 0 || math.IsInf(math.Log(got.XYs[0].Y), 0) || got.XYs[1].X != 30 || got.XYs[1].Y != 1 {
		t.Errorf("ours: %+v", got)
	}
	if p, err := windowPlot(results); err != nil || p.Y.Min <= 0 || p.Y.Max < 7 {
		t.Errorf("%v, %+v", err, p)
	}
}

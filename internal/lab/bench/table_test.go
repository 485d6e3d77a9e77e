package main

import (
	"strings"
	"testing"
	"time"
)

func TestSpread(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   spread
	}{
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{9, 1}, spread{5, 1, 9}},
		{[]float64{9, 1, 2}, spread{2, 1, 9}},
		{[]float64{4, 1, 2, 10}, spread{3, 1, 10}},
	} {
		if got := spreadOf(test.values); got != test.want {
			t.Errorf("%v: %v, want %v", test.values, got, test.want)
		}
	}
}

func TestTable(t *testing.T) {
	of := func(name string, windows ...time.Duration) measurement {
		m := measurement{Method: name, First: sample{Total: time.Hour}}
		for _, w := range windows {
			m.Samples = append(m.Samples, sample{Window: w, Archive: 2e9})
		}
		return m
	}
	r := result{
		Scale: 3, Size: size{Files: 1234567, Bytes: 17e8}, Database: 46e7, Rounds: 3, Pushes: 12,
		Measurements: []measurement{of("ours", time.Second, 2*time.Second, 90*time.Second), of("theirs", 30*time.Second)},
		Failures:     []failed{{"theirs", "theirs: it broke", false}, {"theirs", "half of it is missing", true}},
	}
	r.Measurements[0].Samples[1].DrainedToComplete = 40 * time.Millisecond
	r.Measurements[1].Samples[0].DrainedToNoticed = 7 * time.Second
	text := r.table()
	if strings.Contains(text, "as the tool reports") {
		t.Errorf("a row that nobody measured:\n%s", text)
	}
	for _, want := range []string{
		"### 3×: 1,234,567 files of 1.7 GB, a database of 460 MB\n", "|  | ours | theirs |\n| --- | --- | --- |\n",
		"| lock window, as users saw it | **2.00 s** (1.00 s to 1m30s) | **30.00 s**, 15× |\n",
		"| DRAINED to complete | **0 ms** (0 ms to 40 ms) | not measured |\n",
		"| of that, until DRAINED was noticed | not measured | **7.00 s** |\n",
		"| archive | **2.0 GB** (2.0 GB to 2.0 GB) | **2.0 GB**, 1.00× |\n",
		"| first run of all, once | 1h0m0s | 1h0m0s |\n", "Median and range of 3 runs; × is how many times that of ours. 12 pushes",
		"A run of theirs failed and was made again: it broke\n", "A run of theirs was torn: half of it is missing\n",
		"| restored and consistent | 4 of 4 | 3 of 4 |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}

func TestSplice(t *testing.T) {
	page := "a\n" + marker("x") + "\nold\n" + end + "\nb\n" + marker("y") + "\n" + end + "\nc\n"
	got, err := splice(page, "y", "new\n\n")
	want := "a\n" + marker("x") + "\nold\n" + end + "\nb\n" + marker("y") + "\nnew\n" + end + "\nc\n"
	if err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
	for _, broken := range []string{"", end, marker("z") + "\n"} {
		if got, err := splice(broken, "z", "new"); err == nil {
			t.Errorf("%q became %q", broken, got)
		}
	}
}

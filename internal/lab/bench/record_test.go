package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestRecord measures two scales in two runs: the page shows both.
func TestRecord(t *testing.T) {
	out := t.TempDir()
	of := func(scale int, window time.Duration) result {
		return result{
			Scale: scale, Note: "a note", Size: size{Files: 10 * scale}, Rounds: 1,
			Measurements: []measurement{{Method: "ours", First: sample{Total: time.Hour}, Samples: []sample{{Window: window, Archive: 7, CPU: 3}}}},
		}
	}
	for _, r := range []result{of(3, time.Second), of(1, time.Minute), of(3, 2*time.Second)} {
		before, err := earlier(out)
		if err == nil {
			err = record(out, replace(before, r))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := earlier(out)
	if diff := cmp.Diff([]result{of(1, time.Minute), of(3, 2*time.Second)}, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	page, err := os.ReadFile(filepath.Join(out, "performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	first, third := strings.Index(string(page), "### 1×"), strings.Index(string(page), "### 3×")
	if first < 0 || third < first || strings.Count(string(page), "### ") != 2 || !strings.Contains(string(page), "a note") {
		t.Errorf("the page:\n%s", page)
	}
}

package retention_test

import (
	"slices"
	"testing"
	"time"

	"bkp/internal/records/retention"
)

func TestKeepLast(t *testing.T) {
	day := func(n int) retention.Item {
		return retention.Item{ID: string(rune('a' + n)), Time: time.Date(2026, 11, 1+n, 0, 0, 0, 0, time.UTC)}
	}
	items := []retention.Item{day(1), day(3), day(0), day(2)}
	for keepLast, wantRemoved := range map[int]string{0: "", 1: "cba", 2: "ba", 4: "", 9: "", -1: ""} {
		keep, remove := retention.Apply(retention.Policy{KeepLast: keepLast}, items)
		removed := ""
		for _, d := range remove {
			removed += d.ID
			if len(d.Reasons) == 0 {
				t.Errorf("no reason to remove %s", d.ID)
			}
		}
		if removed != wantRemoved || len(keep)+len(remove) != len(items) {
			t.Errorf("keep_last %d removes %q, want %q", keepLast, removed, wantRemoved)
		}
	}
	if items[0].ID != "b" {
		t.Error("the caller's list was changed")
	}
}

// sized makes one backup a day with that many bytes each, the oldest first.
func sized(bytes ...int64) []retention.Item {
	var out []retention.Item
	for n, b := range bytes {
		out = append(out, retention.Item{ID: string(rune('a' + n)), Time: time.Date(2026, 11, 1+n, 0, 0, 0, 0, time.UTC), Sizes: map[string]int64{"home bytes": b}})
	}
	return out
}

// TestASmallBackupRemovesNoGoodOne is what three nights with a home that is not
// mounted are to retention.
func TestASmallBackupRemovesNoGoodOne(t *testing.T) {
	for name, c := range map[string]struct {
		keepLast, minSize int
		bytes             []int64
		removed, small    string
	}{
		"three small ones":           {2, 10, []int64{1000, 1000, 7, 7, 7}, "c", "de"},
		"more than are kept":         {1, 10, []int64{1000, 7, 7, 7, 7}, "bcd", "e"},
		"good ones again":            {2, 10, []int64{1000, 1000, 7, 7, 1000, 1000}, "abcd", ""},
		"one good one again":         {2, 10, []int64{1000, 1000, 7, 7, 1000}, "a", "cd"},
		"an instance that grows":     {2, 10, []int64{7, 7, 1000, 1000}, "ab", ""},
		"a single large one":         {3, 10, []int64{100, 100, 100, 90000, 100, 100}, "abc", ""},
		"as small as may be":         {2, 10, []int64{1000, 1000, 100, 100}, "ab", ""},
		"nothing is suspected":       {2, 0, []int64{1000, 1000, 7, 7}, "ab", ""},
		"nothing was there":          {2, 10, []int64{0, 0, 7, 0}, "ab", ""},
		"a small one before any one": {2, 10, []int64{7}, "", ""},
	} {
		keep, remove := retention.Apply(retention.Policy{KeepLast: c.keepLast, MinSize: c.minSize}, sized(c.bytes...))
		removed, small := "", ""
		for _, d := range slices.Backward(remove) {
			removed += d.ID
		}
		for _, d := range slices.Backward(keep) {
			if d.Small != "" {
				small += d.ID
			}
			if len(d.Reasons) == 0 {
				t.Errorf("%s: no reason to keep %s", name, d.ID)
			}
		}
		if removed != c.removed || small != c.small {
			t.Errorf("%s: removed %q, small %q; want %q, %q", name, removed, small, c.removed, c.small)
		}
	}
}

// TestWhatIsNotKnownIsNotSuspected: an archive that stores nothing counts
// nothing.
func TestWhatIsNotKnownIsNotSuspected(t *testing.T) {
	items := sized(1000, 1000, 0, 0)
	items[2].Sizes, items[3].Sizes = nil, map[string]int64{"database bytes": 1}
	if _, remove := retention.Apply(retention.Policy{KeepLast: 2, MinSize: 10}, items); len(remove) != 2 {
		t.Errorf("removes %v", remove)
	}
}

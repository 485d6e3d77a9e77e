package retention_test

import (
	"testing"
	"time"

	"bkp/internal/retention"
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

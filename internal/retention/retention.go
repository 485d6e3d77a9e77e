// Package retention decides which backups to keep: pure rules over a list,
// with the reason for each decision.
//
// It leaves out deleting (internal/apply).
package retention

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Policy says what to keep. A policy that keeps nothing by any rule removes
// nothing: forgetting to write a rule must not cost backups.
type Policy struct {
	// KeepLast keeps the newest N; 0 is no rule.
	KeepLast int `json:"keep_last,omitempty"`
}

// Item is one backup.
type Item struct {
	ID   string
	Time time.Time
}

// Decision about one backup, with the rules that led to it.
type Decision struct {
	Item
	Reasons []string
}

// Apply sorts items, newest first, into those to keep and those to remove.
func Apply(p Policy, items []Item) (keep, remove []Decision) {
	items = slices.Clone(items)
	slices.SortFunc(items, func(a, b Item) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.ID, a.ID))
	})
	for i, it := range items {
		switch {
		case p.KeepLast <= 0:
			keep = append(keep, Decision{it, []string{"no rule removes it"}})
		case i < p.KeepLast:
			keep = append(keep, Decision{it, []string{fmt.Sprintf("one of the last %d", p.KeepLast)}})
		default:
			remove = append(remove, Decision{it, []string{fmt.Sprintf("older than the last %d", p.KeepLast)}})
		}
	}
	return keep, remove
}

// Package retention decides which backups to keep: pure rules over a list,
// with the reason for each decision.
//
// It leaves out deleting (internal/engine/apply).
package retention

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Policy says what to keep. A policy that keeps nothing by any rule removes
// nothing: forgetting to write a rule must not cost backups.
type Policy struct {
	// KeepLast keeps the newest N; 0 is no rule.
	KeepLast int
	// MinSize is a share in percent. A backup that has less than that of
	// something that the backups before it had is suspiciously small: it counts
	// for none of the KeepLast. 0 suspects nothing.
	MinSize int
}

// Item is one backup.
type Item struct {
	ID   string
	Time time.Time
	// Sizes are how much it holds of what: "home.mirror.main bytes". What it
	// does not name is not known.
	Sizes map[string]int64
}

// Decision about one backup, with the rules that led to it.
type Decision struct {
	Item
	// Small says why the backup is suspiciously small; "" if it is not.
	Small   string
	Reasons []string
}

// Apply sorts items, newest first, into those to keep and those to remove. A
// backup is never removed because of newer ones that are suspiciously small.
// Of these as many are kept as of the others.
func Apply(p Policy, items []Item) (keep, remove []Decision) {
	if p.KeepLast <= 0 {
		for _, d := range judge(p, items) {
			d.Reasons = []string{"no rule removes it"}
			keep = append(keep, d)
		}
		return keep, nil
	}
	sound, small := 0, 0
	for _, d := range judge(p, items) {
		count, kept, older := &sound, "one of the last %d", "older than the last %d"
		if d.Small != "" {
			count, kept, older = &small, "one of the last %d that are suspiciously small", "older than the last %d that are suspiciously small"
		}
		if sound >= p.KeepLast {
			count, older = &sound, "older than the last %d"
		}
		if *count < p.KeepLast {
			*count++
			d.Reasons = []string{fmt.Sprintf(kept, p.KeepLast)}
			keep = append(keep, d)
			continue
		}
		d.Reasons = []string{fmt.Sprintf(older, p.KeepLast)}
		remove = append(remove, d)
	}
	return keep, remove
}

// judge finds the items that are suspiciously small, and sorts them, newest
// first. Each is compared with those before it that are not: with the median of
// as many as are kept, so that a single large one does not count.
func judge(p Policy, items []Item) []Decision {
	sorted := slices.SortedFunc(slices.Values(items), func(a, b Item) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID))
	})
	var out []Decision
	var sound []Item
	for _, it := range sorted {
		d := Decision{Item: it, Small: suspicion(p, it, sound)}
		if d.Small == "" {
			sound = append(sound, it)
			sound = sound[max(0, len(sound)-max(p.KeepLast, 1)):]
		}
		out = append(out, d)
	}
	slices.Reverse(out)
	return out
}

func suspicion(p Policy, it Item, before []Item) string {
	for _, what := range slices.Sorted(maps.Keys(it.Sizes)) {
		var sizes []int64
		for _, b := range before {
			if n, known := b.Sizes[what]; known {
				sizes = append(sizes, n)
			}
		}
		if len(sizes) == 0 {
			continue
		}
		slices.Sort(sizes)
		median, now := sizes[(len(sizes)-1)/2], it.Sizes[what]
		if float64(now)*100 < float64(median)*float64(p.MinSize) {
			return fmt.Sprintf("%s: %d, and %d before", what, now, median)
		}
	}
	return ""
}

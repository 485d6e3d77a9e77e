package retention

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Item is one backup.
type Item struct {
	ID   string
	Time time.Time
	// Sizes are how much it holds of what: "home.mirror.main bytes". What it
	// does not name is not known.
	Sizes map[string]int64
	// Held is why the backup is kept whatever the rules say: it is pinned, or the
	// last that was proven to restore. "" if they decide.
	Held string
	// Damaged is set if a verification found damage: it does not count as a good
	// one.
	Damaged bool
}

// Decision about one backup, with the rules that led to it.
type Decision struct {
	Item
	// Keep is false if the backup is to be removed.
	Keep bool
	// Small says why the backup does not count as a good one; "" if it does.
	Small   string
	Reasons []string
}

// Decide returns a decision about each item, the newest first. A backup is never
// removed because of newer ones that are damaged or suspiciously small; of these
// those are kept that fill a place which no good one has.
//
// now is the time at which it is decided. The error is for a time zone that this
// system does not know.
func Decide(p Policy, items []Item, now time.Time) ([]Decision, error) {
	in, err := p.Location()
	if err != nil {
		return nil, err
	}
	out := judge(p, items)
	if p.Empty() {
		for i := range out {
			out[i].Keep, out[i].Reasons = true, []string{"no rule removes it"}
		}
		return out, nil
	}
	decideBy(p, out, now, in)
	for i := range out {
		d := &out[i]
		if d.Held != "" {
			d.Reasons = append(d.Reasons, d.Held)
		}
		if i == 0 && len(d.Reasons) == 0 {
			d.Reasons = append(d.Reasons, "newest")
		}
		if d.Keep = len(d.Reasons) > 0; !d.Keep {
			d.Reasons = []string{p.removes()}
		}
	}
	return out, nil
}

// removes is why a backup is removed.
func (p Policy) removes() string {
	if rules := p.rules(); len(rules) == 1 && p.Last > 0 && p.Within.Zero() {
		return fmt.Sprintf("older than the last %d", p.Last)
	}
	return "no rule keeps it"
}

// decideBy fills in the reasons of the rules. all is sorted, the newest first.
func decideBy(p Policy, all []Decision, now time.Time, in *time.Location) {
	var good, small []int
	for i, d := range all {
		if d.Small == "" {
			good = append(good, i)
		} else {
			small = append(small, i)
		}
	}
	pick := func(which []int) []Item {
		var out []Item
		for _, i := range which {
			out = append(out, all[i].Item)
		}
		return out
	}
	for n, reasons := range p.kept(pick(good), now, in) {
		all[good[n]].Reasons = reasons
	}
	for n, reasons := range p.kept(pick(small), now, in) {
		i := small[n]
		at, _ := slices.BinarySearch(good, i)
		among := p.kept(pick(slices.Insert(slices.Clone(good), at, i)), now, in)
		if len(reasons) > 0 && len(among[at]) > 0 {
			all[i].Reasons = reasons
		}
	}
}

// judge finds the items that do not count as good, and sorts them, newest first.
// Each is compared with the good ones before it: with the median of as many as
// are kept, so that a single large one does not count.
func judge(p Policy, items []Item) []Decision {
	const usual = 7
	memory := cmp.Or(max(p.Last, 0), usual)
	sorted := slices.SortedFunc(slices.Values(items), func(a, b Item) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID))
	})
	var out []Decision
	var good []Item
	for _, it := range sorted {
		d := Decision{Item: it, Small: suspicion(p, it, good)}
		if d.Small == "" {
			good = append(good, it)
			good = good[max(0, len(good)-memory):]
		}
		out = append(out, d)
	}
	slices.Reverse(out)
	return out
}

func suspicion(p Policy, it Item, before []Item) string {
	if it.Damaged {
		return "damaged"
	}
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

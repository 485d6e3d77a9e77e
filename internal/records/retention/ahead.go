package retention

import (
	"slices"
	"time"
)

// Ahead is what becomes of backups if one follows another for a while.
type Ahead struct {
	// Until is when a backup is removed, by its id. What is not in it stays for
	// the whole time.
	Until map[string]time.Time
	// Left are the decisions at the end, the newest first, with the backups that
	// are made until then.
	Left []Decision
	// Most is how many backups there are at most.
	Most int
}

// MaxSteps bounds how many backups Look makes: a policy that keeps all of them is
// decided about in no more than a second.
const MaxSteps = 1000

// Look works out what becomes of items if a backup as large as the newest one is
// made every interval from now on, for the given time and for MaxSteps backups at
// most. Pins that end, and proofs
// by drills that move on, are left as they are.
func Look(p Policy, items []Item, now time.Time, every, span time.Duration) (Ahead, error) {
	out := Ahead{Until: map[string]time.Time{}}
	have := slices.Clone(items)
	span = min(span, every*MaxSteps)
	for at := now; ; at = at.Add(every) {
		decisions, err := Decide(p, have, at)
		if err != nil {
			return out, err
		}
		have, out.Left = have[:0:0], out.Left[:0]
		for _, d := range decisions {
			if !d.Keep {
				out.Until[d.ID] = at
				continue
			}
			have = append(have, d.Item)
			out.Left = append(out.Left, d)
		}
		out.Most = max(out.Most, len(have))
		if at.Add(every).After(now.Add(span)) {
			return out, nil
		}
		have = append(have, next(have, at.Add(every)))
	}
}

// next is a backup that is made later. Its id says when.
func next(have []Item, at time.Time) Item {
	it := Item{ID: at.UTC().Format(time.RFC3339), Time: at}
	if len(have) > 0 {
		it.Sizes = have[0].Sizes
	}
	return it
}

// Interval is how far apart the newest backups are, as the median says; a day if
// there are too few to know, and never less than an hour.
func Interval(items []Item) time.Duration {
	const few, day = 3, 24 * time.Hour
	if len(items) < few {
		return day
	}
	times := make([]time.Time, len(items))
	for i, it := range items {
		times[i] = it.Time
	}
	slices.SortFunc(times, func(a, b time.Time) int { return b.Compare(a) })
	var gaps []time.Duration
	for i := 1; i < min(len(times), 8); i++ {
		gaps = append(gaps, times[i-1].Sub(times[i]))
	}
	slices.Sort(gaps)
	return max(gaps[(len(gaps)-1)/2].Round(time.Hour), time.Hour)
}

package retention_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"bkp/internal/records/retention"
)

var now = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)

// decide returns the ids to remove and those kept that do not count as good,
// each the oldest first.
func decide(t *testing.T, p retention.Policy, items []retention.Item) (removed, small string, all []retention.Decision) {
	t.Helper()
	all, err := retention.Decide(p, items, now)
	if err != nil || len(all) != len(items) {
		t.Fatal(all, err)
	}
	for _, d := range slices.Backward(all) {
		if len(d.Reasons) == 0 {
			t.Errorf("no reason for %s", d.ID)
		}
		switch {
		case !d.Keep:
			removed += d.ID
		case d.Small != "":
			small += d.ID
		}
	}
	return removed, small, all
}

func TestKeepLast(t *testing.T) {
	day := func(n int) retention.Item {
		return retention.Item{ID: string(rune('a' + n)), Time: time.Date(2026, 11, 1+n, 0, 0, 0, 0, time.UTC)}
	}
	items := []retention.Item{day(1), day(3), day(0), day(2)}
	for last, want := range map[int]string{0: "", 1: "abc", 2: "ab", 4: "", 9: "", -1: ""} {
		if removed, _, _ := decide(t, retention.Policy{Last: last}, items); removed != want {
			t.Errorf("keep_last %d removes %q, want %q", last, removed, want)
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
		last, minSize  int
		bytes          []int64
		removed, small string
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
		removed, small, _ := decide(t, retention.Policy{Last: c.last, MinSize: c.minSize}, sized(c.bytes...))
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
	if removed, _, _ := decide(t, retention.Policy{Last: 2, MinSize: 10}, items); removed != "ab" {
		t.Errorf("removes %q", removed)
	}
}

// TestTheFloor: what is held stays, a damaged backup removes no good one, and the
// newest backup stays whatever the rules say.
func TestTheFloor(t *testing.T) {
	items := sized(1000, 1000, 1000, 1000)
	items[0].Held = "pinned: audit"
	items[3].Damaged = true
	removed, small, all := decide(t, retention.Policy{Last: 1}, items)
	if removed != "b" || small != "d" {
		t.Errorf("removed %q, small %q", removed, small)
	}
	if got := all[3].Reasons; !slices.Equal(got, []string{"pinned: audit"}) {
		t.Errorf("reasons %q", got)
	}
	// A rule by the calendar that keeps nothing of the last hour.
	old := retention.Policy{Within: retention.Period{Hours: 1}}
	if removed, _, all := decide(t, old, sized(1, 1)); removed != "a" || all[0].Reasons[0] != "within 1h" {
		t.Errorf("removed %q", removed)
	}
	future := sized(1, 1)
	future[1].Time = now.AddDate(10, 0, 0)
	if removed, _, all := decide(t, retention.Policy{Within: retention.Period{Days: 1}}, future); removed != "" {
		t.Errorf("removed %q: %v", removed, all)
	}
}

// TestDaysBeginInTheTimeZone: two backups of one night are of two days in the
// one zone, and of one in the other; and of days with 23 and 25 hours one each is
// kept.
func TestDaysBeginInTheTimeZone(t *testing.T) {
	at := func(texts ...string) (out []retention.Item) {
		for i, text := range texts {
			when, err := time.Parse(time.RFC3339, text)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, retention.Item{ID: string(rune('a' + i)), Time: when})
		}
		return out
	}
	night := at("2026-11-01T10:00:00Z", "2026-11-02T22:30:00Z", "2026-11-02T23:30:00Z")
	for zone, want := range map[string]string{"": "ab", "Europe/Berlin": "a"} {
		if removed, _, _ := decide(t, retention.Policy{Daily: 2, Timezone: zone}, night); (zone == "") != (removed == "b") && removed != want {
			t.Errorf("%q: removed %q", zone, removed)
		}
	}
	summer := at("2026-03-28T23:30:00+01:00", "2026-03-29T01:30:00+01:00", "2026-03-29T23:30:00+02:00", "2026-10-25T00:30:00+02:00", "2026-10-25T23:30:00+01:00")
	if removed, _, _ := decide(t, retention.Policy{Daily: 9, Timezone: "Europe/Berlin"}, summer); removed != "bd" {
		t.Errorf("removed %q", removed)
	}
	if _, err := retention.Decide(retention.Policy{Last: 1, Timezone: "Nowhere/Else"}, summer, now); err == nil {
		t.Error("an unknown zone is taken")
	}
}

func TestPeriod(t *testing.T) {
	for text, want := range map[string]retention.Period{
		"": {}, "5d": {Days: 5}, "1y6m14d12h": {1, 6, 14, 12}, "2m": {Months: 2}, "9999y": {Years: 9999},
	} {
		p, err := retention.ParsePeriod(text)
		if err != nil || p != want || p.String() != text {
			t.Errorf("%q: %+v %v, written %q", text, p, err, p.String())
		}
	}
	for _, text := range []string{"5", "d", "-1d", "1d2y", "1.5d", "1w", "1d ", "99999999999999999999d"} {
		if p, err := retention.ParsePeriod(text); err == nil {
			t.Errorf("%q is %+v", text, p)
		}
	}
}

// TestLook: with a backup a day, the last three and a week's one each for two
// weeks, the oldest goes first and there are never more than four.
func TestLook(t *testing.T) {
	items := sized(1, 1, 1)
	start := items[2].Time
	ahead, err := retention.Look(retention.Policy{Last: 3, Weekly: 2}, items, start, 24*time.Hour, 30*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if len(ahead.Until) < 20 || ahead.Most != 4 || len(ahead.Left) != 4 {
		t.Errorf("%d removed, %d at most, %d left", len(ahead.Until), ahead.Most, len(ahead.Left))
	}
	// b is of the newer week, and leaves the last three first.
	if a, b := ahead.Until["a"], ahead.Until["b"]; a.IsZero() || b.IsZero() || !b.Before(a.AddDate(0, 0, 14)) {
		t.Errorf("a until %s, b until %s", a, b)
	}
	if _, ok := ahead.Until[ahead.Left[0].ID]; ok {
		t.Error("the newest is removed")
	}
}

func TestInterval(t *testing.T) {
	day := 24 * time.Hour
	if got := retention.Interval(sized(1, 1, 1, 1)); got != day {
		t.Errorf("daily: %s", got)
	}
	if got := retention.Interval(sized(1)); got != day {
		t.Errorf("unknown: %s", got)
	}
	burst := sized(1, 1, 1, 1)
	for i := range burst {
		burst[i].Time = now.Add(time.Duration(i) * time.Minute)
	}
	if got := retention.Interval(burst); got != time.Hour {
		t.Errorf("a burst: %s", got)
	}
}

func TestPolicyIsData(t *testing.T) {
	p := retention.Policy{Last: 7, Daily: 14, Within: retention.Period{Days: 2}, Timezone: "Europe/Berlin", MinSize: 10, MaxDelete: 5}
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back retention.Policy
	if err := json.Unmarshal(b, &back); err != nil || back != p {
		t.Errorf("%s is read as %+v, %v", b, back, err)
	}
	if got := p.String(); got != "last 7, daily 14, within 2d" {
		t.Errorf("it is called %q", got)
	}
	if !strings.Contains(string(b), `"keep_within":"2d"`) {
		t.Errorf("it is written %s", b)
	}
}

// BenchmarkLook is the longest look there is: everything is kept.
func BenchmarkLook(b *testing.B) {
	items := sized(1, 1, 1)
	for b.Loop() {
		if _, err := retention.Look(retention.Policy{Within: retention.Period{Years: 9}, Daily: 5000}, items, now, time.Hour, 100000*time.Hour); err != nil {
			b.Fatal(err)
		}
	}
}

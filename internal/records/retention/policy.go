// Package retention decides which backups to keep: pure rules over a list, with
// the reason for each decision, and a look ahead.
//
// The rules are those of restic's forget, which administrators know: a backup is
// kept if any of them keeps it. What restic has not is a floor: the newest backup,
// what is held for another reason, and what was there before backups became
// suspiciously small are never removed.
//
// It leaves out deleting (internal/engine/prune).
package retention

import (
	"fmt"
	"strings"
	"time"
)

// Policy says what to keep. A policy without a rule removes nothing: forgetting
// to write one must not cost backups. Its JSON stands in plans.
type Policy struct {
	// Last keeps the newest N; 0 is no rule, as for the others.
	Last int `json:"keep_last,omitempty"`
	// Hourly keeps the newest backup of each of the last N hours in which there
	// is one, and so on. While a rule has counts left it keeps the oldest backup.
	Hourly  int `json:"keep_hourly,omitempty"`
	Daily   int `json:"keep_daily,omitempty"`
	Weekly  int `json:"keep_weekly,omitempty"` // weeks of ISO 8601
	Monthly int `json:"keep_monthly,omitempty"`
	Yearly  int `json:"keep_yearly,omitempty"`
	// Within keeps all that are no older than that before the newest one.
	Within Period `json:"keep_within,omitzero"`
	// Timezone is an IANA name, in which days begin; "" is UTC.
	Timezone string `json:"timezone,omitempty"`
	// MinSize is a share in percent. A backup that has less than that of
	// something that the backups before it had is suspiciously small: it does not
	// count as a good one. 0 suspects nothing.
	MinSize int `json:"min_size,omitempty"`
	// MaxDelete is how many backups one run may remove; 0 is any number.
	MaxDelete int `json:"max_delete,omitempty"`
}

// Empty reports whether no rule is set.
func (p Policy) Empty() bool { return len(p.rules()) == 0 && p.Within.Zero() }

// Location is that of Timezone. The error is for a name that this system does not
// know.
func (p Policy) Location() (*time.Location, error) {
	if p.Timezone == "" {
		return time.UTC, nil
	}
	return time.LoadLocation(p.Timezone)
}

// String lists the rules, as "last 7, daily 14, within 2d".
func (p Policy) String() string {
	var out []string
	for _, r := range p.rules() {
		out = append(out, fmt.Sprintf("%s %d", r.name, r.count))
	}
	if !p.Within.Zero() {
		out = append(out, "within "+p.Within.String())
	}
	if len(out) == 0 {
		return "all"
	}
	return strings.Join(out, ", ")
}

// rule keeps one backup of each of count buckets.
type rule struct {
	name  string
	count int
	// bucket is the same for backups if one of them is kept. n counts backups from
	// the newest.
	bucket func(t time.Time, n int) int
}

func (p Policy) rules() []rule {
	all := []rule{
		{"last", p.Last, func(_ time.Time, n int) int { return n }},
		{"hourly", p.Hourly, func(t time.Time, _ int) int { return day(t)*100 + t.Hour() }},
		{"daily", p.Daily, func(t time.Time, _ int) int { return day(t) }},
		{"weekly", p.Weekly, func(t time.Time, _ int) int { year, week := t.ISOWeek(); return year*100 + week }},
		{"monthly", p.Monthly, func(t time.Time, _ int) int { return t.Year()*100 + int(t.Month()) }},
		{"yearly", p.Yearly, func(t time.Time, _ int) int { return t.Year() }},
	}
	var out []rule
	for _, r := range all {
		if r.count > 0 {
			out = append(out, r)
		}
	}
	return out
}

func day(t time.Time) int { return t.Year()*10000 + int(t.Month())*100 + t.Day() }

// kept returns why each of the items, which are sorted with the newest first, is
// kept: nothing for those that no rule keeps. now bounds which one counts as the
// newest for Within: a clock that was ahead once has left backups of the future.
func (p Policy) kept(items []Item, now time.Time, in *time.Location) [][]string {
	out := make([][]string, len(items))
	if !p.Within.Zero() {
		from := p.Within.Before(newest(items, now))
		for n, it := range items {
			if it.Time.After(from) {
				out[n] = append(out[n], "within "+p.Within.String())
			}
		}
	}
	for _, r := range p.rules() {
		left, last := r.count, -1
		for n, it := range items {
			bucket, oldest := r.bucket(it.Time.In(in), n), n == len(items)-1
			if left == 0 || bucket == last && !oldest {
				continue
			}
			name := r.name
			if bucket == last {
				name = "oldest " + name
			}
			out[n] = append(out[n], fmt.Sprintf("%s %d of %d", name, r.count-left+1, r.count))
			left, last = left-1, bucket
		}
	}
	return out
}

// newest is the time of the newest item that is not of the future.
func newest(items []Item, now time.Time) time.Time {
	for _, it := range items {
		if !it.Time.After(now) {
			return it.Time
		}
	}
	return time.Time{}
}

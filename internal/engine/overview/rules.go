package overview

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/internal/records/retention"
)

// copyRules is how many copies there should be, on how many storages, with that in
// use among both.
const copyRules, storageRules = 3, 2

// rules hold the newest complete backup against the usual rule for copies. What is
// in use counts as the first copy.
func (k Known) rules() []Rule {
	copies, storages, away, protected := 1, []string{}, []string{}, []string{}
	if k.HomeOn != "" {
		storages = append(storages, k.HomeOn)
	}
	var places []string
	for _, s := range k.Shelves {
		if !k.holdsNewest(s) || s.Destination != "" && slices.Contains(places, s.Destination) {
			continue
		}
		if s.Place == InPlace {
			continue // it shares the storage of what is in use, and its fate
		}
		copies++
		places = append(places, s.Destination)
		if s.On != "" && !slices.Contains(storages, s.On) {
			storages = append(storages, s.On)
		}
		if s.Place == Share || s.Place == Service {
			away = append(away, s.Address)
		}
		if s.Protected {
			protected = append(protected, s.Address)
		}
	}
	return []Rule{
		{"three copies, the live data counted as one", copies >= copyRules, fmt.Sprintf("%d", copies)},
		{"on two storages", len(storages) >= storageRules, fmt.Sprintf("%d known here", len(storages))},
		{"one away from this machine", len(away) > 0, orNoArchive(away)},
		{"one that nobody can delete from this machine", len(protected) > 0, orNoArchive(protected)},
	}
}

func orNoArchive(list []string) string {
	if len(list) == 0 {
		return "no archive"
	}
	return strings.Join(list, ", ")
}

// attention is what somebody should look at.
func (k Known) attention(of Instance) []Remark {
	out := []Remark{}
	add := func(u Urgency, format string, args ...any) {
		out = append(out, Remark{u, fmt.Sprintf(format, args...)})
	}
	if k.MayBeLocked {
		add(Now, "A run may have left the instance locked: users may be unable to work. Unlock it: bkp unlock")
	}
	newest, some := k.newest()
	if !some {
		add(Now, "No backup is complete.")
	}
	if some && len(newest.Damaged) > 0 {
		add(Now, "The newest backup is damaged: bkp show %s", newest.Manifest.ID)
	}
	if late, every := k.late(); late > 0 {
		add(Now, "The newest backup is %s old, and those before were made every %s. See whether the schedule runs.", inDays(late), inDays(every))
	}
	for _, r := range of.Runs {
		if !r.Succeeded {
			add(Now, "The last %s failed: %s", r.Operation, r.Error)
		} else if r.Warnings > 0 {
			add(Soon, "The last %s warned: %s. Its log has them.", r.Operation, problem.Counted(r.Warnings, "warning"))
		}
	}
	for _, text := range k.Unread {
		add(Now, "%s", text)
	}
	k.standing(of, newest, some, add)
	return out
}

// standing is what makes a loss more likely.
func (k Known) standing(of Instance, newest catalog.Entry, some bool, add func(Urgency, string, ...any)) {
	for _, e := range k.Backups {
		if e.Status == catalog.Captured {
			add(Soon, "%s was captured, and is not stored yet: bkp apply --resume %s", e.Manifest.ID, e.Manifest.ID)
		}
		if complete(e) && len(e.Damaged) > 0 && e.Manifest.ID != newest.Manifest.ID {
			add(Soon, "%s is damaged: bkp show %s", e.Manifest.ID, e.Manifest.ID)
		}
	}
	switch limit := k.MaxProofAge; {
	case limit == 0 || !some:
	case k.Proven == nil:
		add(Soon, "No restore was proven yet: bkp verify --drill latest:%s", k.Name)
	case k.Now.Sub(k.Proven.At) > limit:
		add(Soon, "The last proven restore is %s old; it may be %s old: bkp verify --drill latest:%s", inDays(k.Now.Sub(k.Proven.At)), inDays(limit), k.Name)
	}
	if some {
		for _, r := range of.Rules {
			if !r.Met {
				add(Soon, "Copies of the newest backup: the rule is %s; found: %s.", r.Text, r.Found)
			}
		}
	}
	if len(of.Kept) == 0 {
		add(Soon, "No retention is declared: backups are kept until the disk is full.")
	}
}

// late is how old the newest complete backup is, if by now there should be another;
// and how far apart they were made.
func (k Known) late() (age, every time.Duration) {
	var items []retention.Item
	for _, e := range k.Backups {
		if complete(e) {
			items = append(items, retention.Item{ID: string(e.Manifest.ID), Time: e.Manifest.ID.Time()})
		}
	}
	if len(items) == 0 {
		return 0, 0
	}
	every = retention.Interval(items)
	if age = k.Now.Sub(items[0].Time); age <= every+every/2 {
		return 0, every
	}
	return age, every
}

// inDays writes an age with its largest unit.
func inDays(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return problem.Counted(int(d/day), "day")
	case d >= time.Hour:
		return problem.Counted(int(d.Round(time.Hour)/time.Hour), "hour")
	}
	return problem.Counted(int(d.Round(time.Minute)/time.Minute), "minute")
}

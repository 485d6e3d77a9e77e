package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"bkp/internal/engine/overview"
	"bkp/internal/event"
)

// shown is how many backups the tables have, and plotted how many the plot has.
const shown, plotted = 30, 90

// instance is one instance, in words.
type instance struct {
	ID, Name, URL string
	// Verdict is one line, Mood a class: the colour never says anything alone.
	Verdict, Mood string
	Attention     []remark
	Facts         []fact
	Plot          *plot
	Parts         []bar
	PartsOf       string
	Components    []component
	Rules         []rule
	Archives      []archive
	Kept          []kept
	Backups       []backup
	More          string
	Runs          []run
}

type fact struct{ Name, Value, Note string }

type remark struct{ Mood, Word, Text string }

type bar struct {
	Name, Took string
	// Width is in percent of the longest.
	Width int
}

type component struct{ Address, Strategy, Point, Size, Change, UnderLock string }

type rule struct{ Mood, Word, Text, Found string }

type archive struct{ Address, Strategy, Place, Destination, Backups, Size, Newest, HasNewest string }

type kept struct {
	Archive, Rules string
	Backups        []keptBackup
	More           string
}

type keptBackup struct{ ID, Created, By, Until string }

type backup struct{ ID, Created, Window, Size, Stored, Status, Restore string }

type run struct{ Operation, Ended, Took, Result string }

func newInstance(i overview.Instance, now time.Time) instance {
	out := instance{ID: "instance-" + i.Name, Name: i.Name, URL: i.URL, Facts: facts(i, now), Plot: newPlot(i.Backups)}
	out.Verdict, out.Mood = verdict(i)
	for _, a := range i.Attention {
		r := remark{"soon", "Soon", a.Text}
		if a.Urgency == overview.Now {
			r = remark{"now", "Now", a.Text}
		}
		out.Attention = append(out.Attention, r)
	}
	out.Parts, out.PartsOf = bars(i)
	for _, c := range i.Components {
		out.Components = append(out.Components, newComponent(c))
	}
	for _, r := range i.Rules {
		v := rule{"soon", "no", r.Text, r.Found}
		if r.Met {
			v.Mood, v.Word = "good", "yes"
		}
		out.Rules = append(out.Rules, v)
	}
	for _, a := range i.Archives {
		out.Archives = append(out.Archives, newArchive(a))
	}
	for _, k := range i.Kept {
		out.Kept = append(out.Kept, newKept(k))
	}
	for _, b := range i.Backups[:min(shown, len(i.Backups))] {
		out.Backups = append(out.Backups, newBackup(b))
	}
	out.More = more(len(i.Backups))
	for _, r := range i.Runs {
		out.Runs = append(out.Runs, newRun(r))
	}
	return out
}

// more says what a table leaves out.
func more(n int) string {
	if n <= shown {
		return ""
	}
	return fmt.Sprintf("The newest %d of %s.", shown, count(n, "backup"))
}

func verdict(i overview.Instance) (text, mood string) {
	now := 0
	for _, a := range i.Attention {
		if a.Urgency == overview.Now {
			now++
		}
	}
	switch {
	case now > 0:
		return count(now, "thing") + " to look at now", "now"
	case len(i.Attention) > 0:
		return count(len(i.Attention), "thing") + " to look at soon", "soon"
	}
	return "nothing to look at", "good"
}

// facts are the answers to what is asked first.
func facts(i overview.Instance, now time.Time) []fact {
	last := fact{"Last complete backup", "never", ""}
	window := fact{"Users were locked out for", "-", ""}
	for _, b := range i.Backups {
		if b.Status == "complete" {
			last.Value, last.Note = age(now.Sub(b.Created)), b.ID
			window.Value, window.Note = lockedOut(b), "by the last complete backup"
			break
		}
	}
	proof := fact{"Last proven restore", "never", ""}
	took := fact{"A restore took", "-", "not measured yet"}
	if p := i.Proof; p != nil {
		proof.Value, proof.Note = age(now.Sub(p.At)), p.Backup
		took.Value, took.Note = event.Duration(p.Took), "on trial, with "+count(p.Repositories, "repository")+" read by git"
	}
	if i.MaxProofAge > 0 && i.Proof != nil {
		proof.Note += ", due every " + span(i.MaxProofAge)
	}
	return []fact{last, window, proof, took}
}

// names are what the parts of a lock window are for.
var names = map[string]string{
	"lock": "the request to lock", "drain": "waiting until git was idle", "drained_to_complete": "from there to the end of the captures",
	"complete": "the request to complete", "unlock": "the request to unlock",
}

func bars(i overview.Instance) (out []bar, of string) {
	var longest time.Duration
	for _, p := range i.Window {
		longest = max(longest, p.Took)
	}
	for _, p := range i.Window {
		name := names[p.Name]
		if address, ok := strings.CutPrefix(p.Name, "capture "); ok {
			name = "capture of " + address
		}
		if name == "" {
			name = p.Name
		}
		b := bar{Name: name, Took: event.Duration(p.Took)}
		if longest > 0 {
			b.Width = int(100 * p.Took / longest)
		}
		out = append(out, b)
	}
	for _, b := range i.Backups {
		if b.Status == "complete" {
			return out, b.ID
		}
	}
	return out, ""
}

func newComponent(c overview.Component) component {
	out := component{Address: c.Address, Strategy: c.Strategy, Point: precise(c.PointInTime), Size: "kept by its storage", Change: "-", UnderLock: "-"}
	if c.Files > 0 || c.Bytes > 0 {
		out.Size = bytes(c.Bytes) + " in " + many(c.Files, "file")
	}
	if c.Repositories != nil {
		out.Size += ", " + count(*c.Repositories, "repository")
	}
	if c.Before != nil {
		switch d := c.Bytes - *c.Before; {
		case d > 0:
			out.Change = "+" + bytes(d)
		case d < 0:
			out.Change = "\u2212" + bytes(-d)
		default:
			out.Change = "unchanged"
		}
	}
	if c.Changed != nil {
		out.UnderLock = bytes(c.Changed.Bytes) + " in " + many(c.Changed.Files, "file")
	}
	return out
}

func newArchive(a overview.Archive) archive {
	out := archive{
		Address: a.Address, Strategy: a.Strategy, Place: string(a.Place), Destination: a.Destination,
		Backups: many(int64(a.Backups), "backup"), Size: bytes(a.Bytes), Newest: "-", HasNewest: "no",
	}
	if a.Protected {
		out.Place += ", cannot be deleted from here"
	}
	if a.Newest != nil {
		out.Newest = moment(*a.Newest)
	}
	if a.HasNewest {
		out.HasNewest = "yes"
	}
	return out
}

func newKept(k overview.Kept) kept {
	out := kept{Archive: k.Archive, Rules: "keep " + k.Rules + " (" + k.Retention + "); foreseen with a backup every " + span(k.Every), More: more(len(k.Backups))}
	for _, b := range k.Backups[:min(shown, len(k.Backups))] {
		v := keptBackup{ID: b.ID, Created: moment(b.Created), By: strings.Join(b.Reasons, ", "), Until: "not foreseen"}
		switch {
		case !b.Keep:
			v.Until = "removed by the next run"
		case b.Until != nil:
			v.Until = b.Until.Local().Format(time.DateOnly)
		}
		out.Backups = append(out.Backups, v)
	}
	return out
}

func newBackup(b overview.Backup) backup {
	out := backup{ID: b.ID, Created: moment(b.Created), Window: lockedOut(b), Size: orDash(b.Bytes), Stored: orDash(b.Stored), Status: b.Status, Restore: "-"}
	if len(b.Damaged) > 0 {
		out.Status += ", damaged in " + strings.Join(b.Damaged, ", ")
	}
	switch {
	case b.Proven:
		out.Restore = "proven"
	case b.Failed:
		out.Restore = "failed"
	}
	return out
}

func newRun(r overview.Run) run {
	out := run{Operation: r.Operation, Ended: moment(r.Ended), Took: event.Duration(r.Took), Result: "succeeded"}
	switch {
	case !r.Succeeded:
		out.Result = "failed: " + r.Error
	case r.Warnings > 0:
		out.Result = "succeeded, with " + count(r.Warnings, "warning")
	}
	return out
}

func lockedOut(b overview.Backup) string {
	if b.Skew > 0 {
		return "not locked out"
	}
	return event.Duration(b.Window)
}

func orDash(n int64) string {
	if n == 0 {
		return "-"
	}
	return bytes(n)
}

func bytes(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

// many is a number of things, with commas.
func many(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return humanize.Comma(n) + " " + plural(noun)
}

func count(n int, noun string) string { return many(int64(n), noun) }

func plural(noun string) string {
	if stem, ok := strings.CutSuffix(noun, "y"); ok && !strings.HasSuffix(noun, "ay") {
		return stem + "ies"
	}
	return noun + "s"
}

func moment(t time.Time) string { return t.Local().Format("2006-01-02 15:04 MST") }

func precise(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05.000 MST") }

func age(d time.Duration) string { return span(d) + " ago" }

// span writes a long time with its largest unit.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return count(int(d/day), "day")
	case d >= time.Hour:
		return count(int(d.Round(time.Hour)/time.Hour), "hour")
	}
	return count(int(d.Round(time.Minute)/time.Minute), "minute")
}

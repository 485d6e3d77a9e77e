package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"bkp/internal/engine/overview"
	"bkp/internal/event"
)

// The drawing, in units of its viewBox. The axis of the times is at the bottom.
const (
	plotWidth, plotHeight = 720, 250
	plotLeft, plotRight   = 84, 16
	plotTop, plotBottom   = 16, 36
)

// plot is the lock window over time.
type plot struct {
	Width, Height int
	// Left, Right, Top and Bottom are the edges of the area of the points.
	Left, Right, Top, Bottom int
	// Label says in words what is drawn.
	Label  string
	Line   string
	Points []point
	Rows   []tick
	Days   []tick
}

type point struct {
	X, Y  string
	Title string
	// Damaged points are drawn as crosses.
	Damaged bool
	Cross   string
}

type tick struct {
	At     string
	Text   string
	Anchor string
}

// newPlot draws the backups that locked users out, nil if there are fewer than two.
func newPlot(newestFirst []overview.Backup) *plot {
	var all []overview.Backup
	for _, b := range newestFirst {
		if b.Skew == 0 && b.Window > 0 && len(all) < plotted {
			all = append(all, b)
		}
	}
	if len(all) < 2 {
		return nil
	}
	slices.Reverse(all)
	longest, sorted := time.Duration(0), []time.Duration{}
	for _, b := range all {
		longest, sorted = max(longest, b.Window), append(sorted, b.Window)
	}
	slices.Sort(sorted)
	p := &plot{
		Width: plotWidth, Height: plotHeight, Left: plotLeft, Right: plotWidth - plotRight, Top: plotTop, Bottom: plotHeight - plotBottom,
		Label: fmt.Sprintf("Lock windows of %s: %s in the middle, %s at most.", count(len(all), "backup"), event.Duration(sorted[(len(sorted)-1)/2]), event.Duration(longest)),
	}
	step := niceStep(longest)
	top := (longest + step - 1) / step * step
	first, last := all[0].Created, all[len(all)-1].Created
	x := func(t time.Time) float64 {
		if !last.After(first) {
			return float64(p.Left)
		}
		return float64(p.Left) + float64(p.Right-p.Left)*float64(t.Sub(first))/float64(last.Sub(first))
	}
	y := func(d time.Duration) float64 {
		return float64(p.Bottom) - float64(p.Bottom-p.Top)*float64(d)/float64(top)
	}
	var line []string
	for _, b := range all {
		px, py := x(b.Created), y(b.Window)
		v := point{X: units(px), Y: units(py), Title: b.ID + ": " + event.Duration(b.Window), Damaged: len(b.Damaged) > 0}
		if v.Damaged {
			v.Title += ", damaged"
			v.Cross = fmt.Sprintf("M%s %sl10 10m0 -10l-10 10", units(px-5), units(py-5))
		}
		line = append(line, v.X+","+v.Y)
		p.Points = append(p.Points, v)
	}
	p.Line = strings.Join(line, " ")
	for d := time.Duration(0); d <= top; d += step {
		p.Rows = append(p.Rows, tick{At: units(y(d)), Text: event.Duration(d)})
	}
	p.Rows[0].Text = "0"
	middle := first.Add(last.Sub(first) / 2)
	p.Days = []tick{{units(x(first)), day(first, first, last), "start"}, {units(x(middle)), day(middle, first, last), "middle"}, {units(x(last)), day(last, first, last), "end"}}
	return p
}

// day is a label of the axis of time: with the hour if all lies within a few days.
func day(t, first, last time.Time) string {
	if last.Sub(first) < 72*time.Hour {
		return t.Local().Format("01-02 15:04")
	}
	return t.Local().Format(time.DateOnly)
}

// niceStep is the distance of the rows: 1, 2 or 5 of a unit, for three to six rows.
func niceStep(longest time.Duration) time.Duration {
	for _, unit := range []time.Duration{time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second, time.Minute, 10 * time.Minute, time.Hour} {
		for _, n := range []time.Duration{1, 2, 5} {
			if step := n * unit; longest <= 5*step {
				return step
			}
		}
	}
	return time.Duration(math.Ceil(longest.Hours()/5)) * time.Hour
}

func units(f float64) string { return fmt.Sprintf("%.1f", f) }

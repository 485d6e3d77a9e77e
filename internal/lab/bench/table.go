package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// measurement is all samples of one method at one size.
type measurement struct {
	Method  string   `json:"method"`
	First   sample   `json:"first"` // the first backup, with an empty working copy
	Samples []sample `json:"samples"`
}

// result is one scale.
type result struct {
	Scale        int           `json:"scale"`
	Note         string        `json:"note,omitempty"` // where and when
	Size         size          `json:"size"`
	Database     int64         `json:"database_bytes"` // on disk
	Pushes       int           `json:"pushes"`
	Rounds       int           `json:"rounds"`
	Measurements []measurement `json:"measurements"`
	Failures     []failed      `json:"failures,omitempty"`
}

// spread is the median and the range of some values.
type spread struct{ median, least, most float64 }

// spreadOf needs at least one value.
func spreadOf(values []float64) spread {
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return spread{median: (v[(n-1)/2] + v[n/2]) / 2, least: v[0], most: v[n-1]}
}

func (m measurement) spread(of func(sample) float64) spread {
	values := make([]float64, 0, len(m.Samples))
	for _, s := range m.Samples {
		values = append(values, of(s))
	}
	return spreadOf(values)
}

// figure is a row of the table.
type figure struct {
	name  string
	of    func(sample) float64
	print func(float64) string
}

func window(s sample) float64 { return float64(s.Window) }

var figures = []figure{
	{"lock window, as users saw it", window, printTime},
	{"DRAINED to complete", func(s sample) float64 { return float64(s.DrainedToComplete) }, printTime},
	{"of that, until DRAINED was noticed", func(s sample) float64 { return float64(s.DrainedToNoticed) }, printTime},
	{"DRAINED to complete, as the tool reports", func(s sample) float64 { return float64(s.ReportedToComplete) }, printTime},
	{"whole run", func(s sample) float64 { return float64(s.Total) }, printTime},
	{"CPU", func(s sample) float64 { return float64(s.CPU) }, printTime},
	{"memory of the largest process", func(s sample) float64 { return float64(s.Memory) }, printBytes},
	{"archive", func(s sample) float64 { return float64(s.Archive) }, printBytes},
}

// table is the result in Markdown. Ratios are to the first method.
func (r result) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %d×: %s files of %s, a database of %s\n\n", r.Scale, humanize.Comma(int64(r.Size.Files)),
		printBytes(float64(r.Size.Bytes)), printBytes(float64(r.Database)))
	if r.Note != "" {
		b.WriteString(r.Note + "\n\n")
	}
	row := func(cells ...string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	head, line := []string{""}, []string{"---"}
	for _, m := range r.Measurements {
		head, line = append(head, m.Method), append(line, "---")
	}
	row(head...)
	row(line...)
	for _, f := range figures {
		if !slices.ContainsFunc(r.Measurements, func(m measurement) bool { return m.spread(f.of).most > 0 }) {
			continue // nobody measured it
		}
		cells := []string{f.name}
		base := r.Measurements[0].spread(f.of)
		for i, m := range r.Measurements {
			s := m.spread(f.of)
			if s.most == 0 {
				cells = append(cells, "not measured")
				continue
			}
			text := fmt.Sprintf("**%s**", f.print(s.median))
			if len(m.Samples) > 1 {
				text += fmt.Sprintf(" (%s to %s)", f.print(s.least), f.print(s.most))
			}
			if i > 0 && base.median > 0 {
				text += fmt.Sprintf(", %s×", printRatio(s.median/base.median))
			}
			cells = append(cells, text)
		}
		row(cells...)
	}
	first, proven := []string{"first run of all, once"}, []string{"restored and consistent"}
	for _, m := range r.Measurements {
		first = append(first, printTime(float64(m.First.Total)))
		proven = append(proven, fmt.Sprintf("%d of %d", r.Rounds+1-r.torn(m.Method), r.Rounds+1))
	}
	row(first...)
	row(proven...)
	fmt.Fprintf(&b, "\nMedian and range of %s; × is how many times that of %s. %s pushes while the backups were made.\n",
		plural(r.Rounds, "run"), r.Measurements[0].Method, humanize.Comma(int64(r.Pushes)))
	for _, f := range r.Failures {
		what := "A run of " + f.Method + " failed and was made again"
		if f.Torn {
			what = "A run of " + f.Method + " was torn"
		}
		fmt.Fprintf(&b, "\n%s: %s\n", what, strings.TrimPrefix(f.Reason, f.Method+": "))
	}
	return b.String()
}

// torn counts the backups of a method that were not consistent.
func (r result) torn(method string) (n int) {
	for _, f := range r.Failures {
		if f.Torn && f.Method == method {
			n++
		}
	}
	return n
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// printTime shows nanoseconds with three digits that count.
func printTime(ns float64) string {
	d := time.Duration(ns)
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

func printBytes(n float64) string { return humanize.Bytes(uint64(n)) }

func printRatio(r float64) string {
	if r < 10 {
		return fmt.Sprintf("%.2f", r)
	}
	return fmt.Sprintf("%.0f", r)
}

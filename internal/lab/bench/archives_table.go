package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
)

// archivesRow is what one kind of archive took for one thing.
type archivesRow struct {
	what, by string
	samples  []sample
}

// row notes a sample. Rows stand in the order in which they were measured first.
func (b *archivesBench) row(what, by string, s sample) {
	for _, r := range b.rows {
		if r.what == what && r.by == by {
			r.samples = append(r.samples, s)
			return
		}
	}
	b.rows = append(b.rows, &archivesRow{what, by, []sample{s}})
}

// table has a section for each thing that was measured. Ratios are to the first row of
// the section.
func (b *archivesBench) table() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s files of %s in %s, %s\n", humanize.Comma(int64(b.Files)), printBytes(float64(b.Bytes)),
		strconv.Itoa(b.Repositories)+" repositories", plural(b.done, "round"))
	var done []string
	for _, r := range b.rows {
		if !slices.Contains(done, r.what) {
			done = append(done, r.what)
			b.section(&out, r.what)
		}
	}
	return out.String()
}

func (b *archivesBench) section(out *strings.Builder, what string) {
	fmt.Fprintf(out, "\n| %s | time | CPU | memory | bytes stored |\n|---|---|---|---|---|\n", what)
	var base *measurement
	for _, r := range b.rows {
		if r.what != what {
			continue
		}
		m := measurement{Samples: r.samples[:min(b.done, len(r.samples))]} // of whole rounds
		if base == nil {
			base = &m
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s |\n", r.by, m.beside(*base, func(s sample) float64 { return float64(s.Total) }, printTime),
			m.beside(*base, func(s sample) float64 { return float64(s.CPU) }, printTime),
			printBytes(m.spread(func(s sample) float64 { return float64(s.Memory) }).most),
			m.beside(*base, func(s sample) float64 { return float64(s.Archive) }, printBytes))
	}
}

// beside is the median and the range of a figure, and how many times that of base it is;
// "" if nobody measured it.
func (m measurement) beside(base measurement, of func(sample) float64, print func(float64) string) string {
	s, b := m.spread(of), base.spread(of)
	if s.most == 0 {
		return ""
	}
	text := "**" + print(s.median) + "**"
	if len(m.Samples) > 1 {
		text += fmt.Sprintf(" (%s to %s)", print(s.least), print(s.most))
	}
	if b.median > 0 && b.median != s.median {
		text += fmt.Sprintf(", %s×", printRatio(s.median/b.median))
	}
	return text
}

package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// errViolated is returned when bkp did not keep what it promises.
var errViolated = errors.New("bkp did not keep its promises")

// report counts what came of the cases. It is safe for concurrent use.
type report struct {
	mu     sync.Mutex
	rows   map[act]map[life]int
	codes  map[int]int
	total  int
	missed []string
	healed int
	broken map[promise]int
	bad    []string
	took   time.Duration
}

func newReport() *report {
	return &report{rows: map[act]map[life]int{}, codes: map[int]int{}, broken: map[promise]int{}}
}

// add counts a case and returns how many were reached.
func (r *report) add(o *outcome) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !o.reached {
		r.missed = append(r.missed, o.String())
	} else {
		r.total++
		if r.rows[o.act] == nil {
			r.rows[o.act] = map[life]int{}
		}
		r.rows[o.act][o.life]++
	}
	if o.act != actKilled {
		r.codes[o.said.code]++
	}
	if o.healed {
		r.healed++
	}
	for _, p := range promises {
		if slices.ContainsFunc(o.violations, func(v violation) bool { return v.promise == p }) {
			r.broken[p]++
		}
	}
	if len(o.violations) > 0 {
		r.bad = append(r.bad, o.String())
	}
	return r.total
}

// reached is how many cases were.
func (r *report) reached() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}

// write prints the counts. The error is errViolated if a promise was not kept.
func (r *report) write(out io.Writer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "false answers\tonce\twhile\ton\t")
	for _, a := range acts {
		_, _ = fmt.Fprintf(t, "%s\t%d\t%d\t%d\t\n", a, r.rows[a][once], r.rows[a][while], r.rows[a][on])
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, `
distinct false answers        %d
not reached in their run      %d%s
outlasted by bkp              %d of those from then on
exit codes 0, 1, 3, 4         %d, %d, %d, %d
took                          %s

`, r.total, len(r.missed), of(r.missed), r.healed, r.codes[0], r.codes[1], r.codes[3], r.codes[4], r.took.Round(time.Second))
	for _, p := range promises {
		_, _ = fmt.Fprintf(out, "%-28s  %d\n", p, r.broken[p])
	}
	if len(r.bad) == 0 {
		return nil
	}
	slices.Sort(r.bad)
	_, err := fmt.Fprintf(out, "\none of these again:\n\n    go run ./internal/lab/torture/lies --only 'CASE'\n\n%s\n", strings.Join(r.bad, "\n"))
	return errors.Join(err, errViolated)
}

// of names the calls of cases that did not come, each with how often.
func of(cases []string) string {
	counts := map[string]int{}
	for _, text := range cases {
		counts[strings.Join(strings.Fields(text)[:3], " ")]++
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

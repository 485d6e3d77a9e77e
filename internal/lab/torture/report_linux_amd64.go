package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// report counts what came of the cases. It is safe for concurrent use.
type report struct {
	budget time.Duration

	mu sync.Mutex
	// cases are those whose effect came, by their names: each counts once.
	cases    map[string]failure
	rows     map[row]int
	missed   int
	unseen   []string // those that were missed
	total    int
	reported []string
	broken   map[promise]int
	bad      []string

	verified, restored int
	slowest            time.Duration // from the end of bkp to the unlock
	slowestCase        string
	longest            time.Duration // of all locks
	took               time.Duration
}

// row and column of the table.
type row struct{ scenario, family string }

func newReport(budget time.Duration) *report {
	return &report{budget: budget, cases: map[string]failure{}, rows: map[row]int{}, broken: map[promise]int{}}
}

// add counts a case and returns how many there are.
func (r *report) add(o *outcome) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total++
	name := o.String()
	switch _, again := r.cases[name]; {
	case !o.reached && o.kind == kindRandom: // the backup was made before
	case !o.reached:
		r.missed++
		r.unseen = append(r.unseen, name)
	case !again:
		r.cases[name] = o.failure
		r.rows[row{o.scenario.String(), o.kind.family()}]++
	}
	if o.reported {
		r.reported = append(r.reported, name)
	}
	r.verified += o.verified
	r.restored += o.restored
	if took := o.unlockTook(); took > r.slowest {
		r.slowest, r.slowestCase = took, name
	}
	r.longest = max(r.longest, o.lockedFor())
	for _, p := range promises {
		if slices.ContainsFunc(o.violations, func(v violation) bool { return v.promise == p }) {
			r.broken[p]++
		}
	}
	if len(o.violations) > 0 {
		r.bad = append(r.bad, name)
	}
	return r.total
}

// killed is how often bkp was killed at a random moment.
func (r *report) killed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, f := range r.cases {
		if f.kind == kindRandom {
			n++
		}
	}
	return n
}

func (r *report) violated() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.bad)
}

var families = []string{"error", "hang", "crash", "lost-reply", "outage", "kill", "kill-after", "kill-tool", "kill-all", "kill-random"}

// write prints the counts. The error is errViolated if a promise was not kept.
func (r *report) write(out io.Writer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	sums, err := r.table(out)
	if err != nil {
		return err
	}
	random := sums[string(kindRandom)]
	classes := map[class]bool{}
	for _, f := range r.cases {
		classes[f.class] = true
	}
	_, err = fmt.Fprintf(out, `
distinct injected failures    %d, of %d different effects
kill -9 at random moments     %d
not reached in their run      %d
backups verified, restored    %d, %d
longest until unlocked        %s after bkp had died%s
longest lock                  %s (budget %s)
lost tokens, shown           %d
took                          %s

`, len(r.cases)-random, len(classes), random, r.missed, r.verified, r.restored,
		r.slowest.Round(time.Millisecond), in(r.slowestCase), r.longest.Round(time.Millisecond), r.budget, len(r.reported), r.took.Round(time.Second))
	for _, p := range promises {
		_, _ = fmt.Fprintf(out, "%-28s  %d\n", p, r.broken[p])
	}
	for _, name := range r.reported {
		_, _ = fmt.Fprintln(out, "lost token, shown:", name)
	}
	for _, name := range r.unseen {
		_, _ = fmt.Fprintln(out, "not reached:", name)
	}
	if err != nil || len(r.bad) == 0 {
		return err
	}
	slices.Sort(r.bad)
	_, _ = fmt.Fprintf(out, "\none of these again:\n\n    go run ./internal/lab/torture --only 'CASE'\n\n%s\n", strings.Join(r.bad, "\n"))
	return errViolated
}

// table writes how many distinct failures there were of each scenario and
// family, and returns the sums of the families.
func (r *report) table(out io.Writer) (map[string]int, error) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(cells ...any) {
		for _, c := range cells {
			_, _ = fmt.Fprint(t, c, "\t")
		}
		_, _ = fmt.Fprintln(t)
	}
	line(append([]any{"scenario"}, toAny(families)...)...)
	sums := map[string]int{}
	for _, s := range scenarios() {
		if !slices.ContainsFunc(families, func(f string) bool { return r.rows[row{s.String(), f}] > 0 }) {
			continue
		}
		cells := []any{s}
		for _, f := range families {
			n := r.rows[row{s.String(), f}]
			sums[f] += n
			cells = append(cells, n)
		}
		line(cells...)
	}
	cells := []any{"all"}
	for _, f := range families {
		cells = append(cells, sums[f])
	}
	line(cells...)
	return sums, t.Flush()
}

func in(name string) string {
	if name == "" {
		return ""
	}
	return ", in " + name
}

func toAny(all []string) []any {
	out := make([]any, 0, len(all))
	for v := range slices.Values(all) {
		out = append(out, v)
	}
	return out
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"bkp/internal/engine/apply"
	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/internal/records/journal"
	"bkp/lang"
	"bkp/providers"
)

// NotBackedUp notifies that instances were not backed up because of err, which came
// before any of their runs began: all that targets name.
func (eng *Engine) NotBackedUp(ctx context.Context, targets []string, err error) {
	instances, unknown := eng.Instances(targets)
	if err == nil || unknown != nil || ctx.Err() != nil {
		return
	}
	var ends []ending
	for _, i := range instances {
		ends = append(ends, ending{i, err})
	}
	eng.endAll(ctx, providers.OfBackup, ends)
}

// leftOut notifies of the instances of a plan that cannot be backed up now.
func (eng *Engine) leftOut(ctx context.Context, p *Planned, view event.Sink) {
	var all sync.WaitGroup
	for n, i := range p.failedAt {
		all.Go(func() { eng.watchEnd(ctx, i, providers.OfBackup, toView(view, i.Name)).end(ctx, p.Failed[n]) })
	}
	all.Wait()
}

// LeftOut notifies of all instances of a plan if it can back up none of them now.
func (eng *Engine) LeftOut(ctx context.Context, p *Planned) {
	var ends []ending
	for n, i := range p.failedAt {
		ends = append(ends, ending{i, p.Failed[n]})
	}
	eng.endAll(ctx, providers.OfBackup, ends)
}

// ending is what ended a run of an instance before it began.
type ending struct {
	instance *lang.Instance
	err      error
}

// endAll notifies of runs that could not begin, of all at the same time: one receiver
// that hangs must not keep the others waiting.
func (eng *Engine) endAll(ctx context.Context, of providers.Operation, ends []ending) {
	var mu sync.Mutex
	var failed []error
	collect := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		failed = append(failed, err)
	}
	var all sync.WaitGroup
	for _, e := range ends {
		all.Go(func() { eng.watchEnd(ctx, e.instance, of, collect).end(ctx, e.err) })
	}
	all.Wait()
	eng.warnOfAll(failed)
}

// recovered notifies of what became of interrupted runs, and gives monitoring the
// figures of their instances.
func (eng *Engine) recovered(ctx context.Context, runs []journal.Run, err error) {
	for _, i := range eng.Config.Instances {
		var ids []string
		locked := false
		for _, r := range runs {
			if r.Instance == i.Name && !eng.foreign(r) {
				ids = append(ids, string(r.ID))
				locked = locked || r.MayBeLocked
			}
		}
		if len(ids) == 0 {
			continue
		}
		eng.warnOfAll(eng.notify(ctx, i, eng.recoveryNotice(i, ids, locked, err)))
		eng.warnOfAll(eng.measure(ctx, i))
	}
}

func (eng *Engine) recoveryNotice(i *lang.Instance, ids []string, locked bool, err error) providers.Notice {
	o := providers.Recovered
	switch {
	case errors.Is(err, apply.ErrMayBeLocked):
		o = providers.MayBeLocked
	case err != nil:
		o = providers.Failure
	}
	n := eng.newNotice(i, o, providers.OfRecovery)
	n.Summary, n.Run = summaries[o](topic(n.Operation, i.Name)), ids[0]
	n.Detail = "interrupted: " + strings.Join(ids, ", ")
	if locked && err == nil {
		n.Detail += "; the instance is unlocked again"
	}
	if err != nil {
		n.Detail, n.Remedy = n.Detail+"\n"+err.Error(), problem.Remedy(err)
	}
	if o == providers.MayBeLocked && n.Remedy == "" {
		n.Remedy = mayBeLockedRemedy
	}
	return n
}

// Overdue is an instance whose last backup or proof is older than it may be.
type Overdue struct {
	Instance string `json:"instance"`
	// What is backup or proof.
	What string `json:"what"`
	// Last is when there was one, nil if never.
	Last *time.Time `json:"last,omitempty"`
	// MaxAge is how old it may be.
	MaxAge time.Duration `json:"max_age_ns"`
}

// String says it in a sentence.
func (o Overdue) String() string {
	what := map[string]string{"backup": "the last backup", "proof": "the last proven restore"}[o.What]
	if o.Last == nil {
		return fmt.Sprintf("%s: %s: never; it may be %s old", o.Instance, what, inDays(o.MaxAge))
	}
	return fmt.Sprintf("%s: %s is %s old; it may be %s old", o.Instance, what, inDays(time.Since(*o.Last)), inDays(o.MaxAge))
}

// inDays writes an age with the two largest units.
func inDays(d time.Duration) string {
	if d < 48*time.Hour {
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}

// OverdueIn are the instances of a status whose last complete backup is older than
// maxAge, or whose last proof is older than max_age of their block drill.
func (eng *Engine) OverdueIn(st Status, maxAge time.Duration) []Overdue {
	out := []Overdue{}
	for _, is := range st.Instances {
		n := slices.IndexFunc(eng.Config.Instances, func(i *lang.Instance) bool { return i.Address == is.Address })
		if n < 0 {
			continue
		}
		i := eng.Config.Instances[n]
		if is.LastAt == nil || time.Since(*is.LastAt) > maxAge {
			out = append(out, Overdue{i.Name, "backup", is.LastAt, maxAge})
		}
		var proven *time.Time
		if is.LastProven != nil {
			proven = &is.LastProven.At
		}
		if limit := i.Drill.MaxAge; limit > 0 && (proven == nil || time.Since(*proven) > limit) {
			out = append(out, Overdue{i.Name, "proof", proven, limit})
		}
	}
	return out
}

// NotifyOverdue notifies of each, those of an instance in one notice.
func (eng *Engine) NotifyOverdue(ctx context.Context, all []Overdue) {
	for _, i := range eng.Config.Instances {
		var texts []string
		what := map[string]bool{}
		for _, o := range all {
			if o.Instance == i.Name {
				texts, what[o.What] = append(texts, o.String()), true
			}
		}
		if len(texts) == 0 {
			continue
		}
		n := eng.newNotice(i, providers.Overdue, providers.OfStatus)
		n.Summary = "The backup of " + i.Name + " is overdue"
		if !what["backup"] {
			n.Summary = "The proof that the backups of " + i.Name + " can be restored is overdue"
		}
		n.Detail, n.Remedy = strings.Join(texts, "\n"), "see whether the schedule runs, and what became of the last runs:\n\n    bkp status"
		eng.warnOfAll(eng.notify(ctx, i, n))
	}
}

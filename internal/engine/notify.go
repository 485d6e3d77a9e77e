package engine

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"bkp/internal/engine/walk"
	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/internal/secret"
	"bkp/lang"
	"bkp/providers"
)

// reportTimeout bounds all notices and figures of one moment, should a strategy not
// keep to the time of its block.
const reportTimeout = 6 * time.Minute

// notify sends a notice to all who want it, at the same time, and returns what went
// wrong. It goes on when the run was cancelled, unless the operator will not wait.
func (eng *Engine) notify(ctx context.Context, i *lang.Instance, n providers.Notice) []error {
	if eng.Offline || len(i.Notify) == 0 {
		return nil
	}
	n = eng.redacted(n)
	return eng.reportAll(ctx, i, "a notice was not sent", addressesOf(i.Notify), func(ctx context.Context, made any) error {
		to, ok := made.(providers.Notifier)
		if !ok {
			return problem.New("not a place for notices", i.Address, "")
		}
		if !to.Wants(n) {
			return nil
		}
		return to.Notify(ctx, n)
	})
}

// addressesOf are where references lead.
func addressesOf[S any](refs []providers.Ref[S]) []string {
	var out []string
	for _, r := range refs {
		out = append(out, r.Address)
	}
	return out
}

// reportAll opens components and calls report with each, at the same time. It
// returns an error, summary, for each that failed.
func (eng *Engine) reportAll(ctx context.Context, i *lang.Instance, summary string, addresses []string, report func(context.Context, any) error) []error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reportTimeout)
	defer cancel()
	if eng.Hurry != nil {
		stop := context.AfterFunc(eng.Hurry, cancel)
		defer stop()
	}
	o := eng.opener(i, event.Discard{}, 1, nil)
	failed := make([]error, len(addresses))
	var wg sync.WaitGroup
	for n, address := range addresses {
		wg.Go(func() {
			failed[n] = walk.Guard(func() error {
				made, err := eng.openKnown(o, address)
				if err != nil {
					return err
				}
				return report(ctx, made)
			})
		})
	}
	wg.Wait()
	var out []error
	for n, err := range failed {
		if err != nil {
			out = append(out, problem.Wrapf(err, summary, problem.Remedy(err), "%s", addresses[n]))
		}
	}
	return out
}

// openKnown opens a component, unless this shell does not know all that it needs.
func (eng *Engine) openKnown(o *opener, address string) (any, error) {
	if open := eng.Config.Open()[address]; len(open) > 0 {
		return nil, errors.New("this shell does not know " + strings.Join(open, " and "))
	}
	return o.open(address)
}

func (eng *Engine) hide(text string) string { return secret.Redact(text, eng.Config.Secrets()...) }

// redacted replaces the secrets of the configuration, should a tool or a server have
// repeated one in what it said.
func (eng *Engine) redacted(n providers.Notice) providers.Notice {
	all := func(texts []string) []string {
		var out []string
		for _, t := range texts {
			out = append(out, eng.hide(t))
		}
		return out
	}
	n.Summary, n.Detail, n.Remedy = eng.hide(n.Summary), eng.hide(n.Detail), eng.hide(n.Remedy)
	n.Warnings, n.Standing, n.Stored = all(n.Warnings), all(n.Standing), all(n.Stored)
	return n
}

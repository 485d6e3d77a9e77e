// Package walk carries out the nodes of a plan in the order of their needs. A
// backup and a restore are walked by it alike.
//
// It leaves out what a node does, and what a failure leads to.
package walk

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"bkp/internal/engine/plan"
	"bkp/internal/event"
)

// PanicError is a panic that was caught so that the lock could be released.
type PanicError struct {
	Value string
	Stack string
}

// Error names what was thrown; the stack is for the log.
func (e *PanicError) Error() string { return "internal error: " + e.Value }

// ErrStuck is wrapped by the error of a step that goes on although it was asked to
// end.
var ErrStuck = errors.New("a step does not end; the next run cleans up what it left")

// Guard turns a panic of f into an error.
func Guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{Value: fmt.Sprint(p), Stack: string(debug.Stack())}
		}
	}()
	return f()
}

// Nodes runs nodes as soon as those they need are done, at most limit at once.
// Nodes that nodes outside the list are needed by are taken as done. The first
// failure cancels the others; Nodes returns it after all have ended, or with
// ErrStuck if some have not some time after patience has.
func Nodes(ctx, patience context.Context, nodes []plan.Node, limit int, do func(context.Context, plan.Node) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	hurry := Hurried(patience)
	type outcome struct {
		id  plan.NodeID
		err error
	}
	ended := make(chan outcome, len(nodes)) // a step that is left behind can still end
	waiting := map[plan.NodeID]plan.Node{}
	for _, n := range nodes {
		waiting[n.ID] = n
	}
	running := map[plan.NodeID]bool{}
	var failure error
	for len(waiting) > 0 || len(running) > 0 {
		if failure == nil && ctx.Err() != nil {
			failure = context.Cause(ctx)
		}
		for _, n := range nodes { // in the plan's order
			if _, yes := waiting[n.ID]; !yes || failure != nil || len(running) >= max(limit, 1) || !ready(n, waiting, running) {
				continue
			}
			delete(waiting, n.ID)
			running[n.ID] = true
			go func() { ended <- outcome{n.ID, Guard(func() error { return do(ctx, n) })} }()
		}
		if len(running) == 0 {
			if failure == nil {
				failure = errors.New("the steps of the plan depend on each other in a cycle")
			}
			return failure
		}
		var o outcome
		select {
		case o = <-ended:
		case <-hurry.Done():
			return abandon(context.Cause(ctx), failure)
		}
		delete(running, o.id)
		if o.err != nil && failure == nil {
			failure = o.err
			cancel(o.err)
		}
	}
	return failure
}

// hurryTimeout is how long cancelled steps may take once the
// operator is in a hurry: a little longer than a tool gets before it is killed.
const hurryTimeout = 7 * time.Second

// Hurried returns a context that ends some time after patience does.
func Hurried(patience context.Context) context.Context {
	ctx, cancel := context.WithCancel(context.WithoutCancel(patience))
	context.AfterFunc(patience, func() { time.AfterFunc(hurryTimeout, cancel) })
	return ctx
}

// abandon reports steps that go on when nobody waits for them any more.
func abandon(cause, failure error) error {
	if failure == nil {
		failure = cause
	}
	return fmt.Errorf("%w; %w", failure, ErrStuck)
}

func ready(n plan.Node, waiting map[plan.NodeID]plan.Node, running map[plan.NodeID]bool) bool {
	for _, need := range n.Needs {
		if _, yes := waiting[need]; yes || running[need] {
			return false
		}
	}
	return true
}

// StepError names the step that failed.
type StepError struct {
	Node plan.Node
	Err  error
}

// Error names the step first.
func (e *StepError) Error() string {
	return fmt.Sprintf("%s: %s failed: %v", e.Node.Address, e.Node.Phase, e.Err)
}

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }

// Step runs one node between its events.
func Step(sink event.Sink, n plan.Node, do func() error) error {
	begun := time.Now()
	e := event.Event{Time: begun, Kind: event.StepStarted, Node: string(n.ID), Address: n.Address, Phase: string(n.Phase), Message: n.Does}
	sink.Emit(e)
	err := Guard(do)
	e.Elapsed, e.Time, e.Kind = time.Since(begun), time.Now(), event.StepDone
	if err != nil {
		e.Kind, e.Error = event.StepFailed, err.Error()
	}
	sink.Emit(e)
	return err
}

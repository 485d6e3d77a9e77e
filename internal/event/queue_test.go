package event_test

import (
	"strconv"
	"testing"
	"testing/synctest"

	"bkp/internal/event"
)

// stopped is a view that shows nothing until it is released.
type stopped struct {
	release chan struct{}
	got     []event.Event
}

func (s *stopped) Emit(e event.Event) {
	<-s.release
	s.got = append(s.got, e)
}

func TestAStoppedViewHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		view := &stopped{release: make(chan struct{})}
		q := event.NewQueue(view)
		const many = 10_000
		for i := range many {
			q.Emit(event.Event{Kind: event.StepProgress})
			q.Emit(event.Event{Kind: event.Note, Message: strconv.Itoa(i)}) // would deadlock without the queue
		}
		close(view.release)
		q.Close()
		q.Close()
		notes, progress := 0, 0
		for _, e := range view.got {
			if e.Kind == event.StepProgress {
				progress++
				continue
			}
			if e.Message != strconv.Itoa(notes) {
				t.Fatalf("note %d came as %s", notes, e.Message)
			}
			notes++
		}
		if notes != many || progress > 300 {
			t.Errorf("%d notes, %d progress", notes, progress)
		}
		q.Emit(event.Event{})
	})
}

type broken struct{ calls int }

func (b *broken) Emit(event.Event) { b.calls++; panic("a mistake") }

func TestABrokenViewEndsNothing(t *testing.T) {
	view := &broken{}
	q := event.NewQueue(view)
	q.Emit(event.Event{})
	q.Emit(event.Event{})
	q.Close()
	if view.calls != 2 {
		t.Errorf("%d calls", view.calls)
	}
}

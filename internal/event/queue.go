package event

import "sync"

// backlog is how many events may wait before progress is left out: there will
// be newer figures.
const backlog = 256

// Queue passes events on to a sink from a goroutine of its own, in order, so
// that a view that is stopped (Ctrl-S, a pager that nobody reads) never holds
// up who emits: that may be a run under the lock. Make one with NewQueue.
type Queue struct {
	sink  Sink
	mu    sync.Mutex
	more  *sync.Cond
	queue []Event
	ended bool
	done  chan struct{}
}

// NewQueue starts a queue before sink. The caller MUST Close it.
func NewQueue(sink Sink) *Queue {
	q := &Queue{sink: sink, done: make(chan struct{})}
	q.more = sync.NewCond(&q.mu)
	go q.pass()
	return q
}

// Emit implements Sink. It never blocks. After Close events are dropped.
func (q *Queue) Emit(e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended || e.Kind == StepProgress && len(q.queue) >= backlog {
		return
	}
	q.queue = append(q.queue, e)
	q.more.Signal()
}

// Close waits until everything was passed on. It may be called twice.
func (q *Queue) Close() {
	q.mu.Lock()
	q.ended = true
	q.more.Signal()
	q.mu.Unlock()
	<-q.done
}

func (q *Queue) pass() {
	defer close(q.done)
	for {
		q.mu.Lock()
		for len(q.queue) == 0 && !q.ended {
			q.more.Wait()
		}
		batch := q.queue
		q.queue = nil
		q.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		for _, e := range batch {
			q.show(e)
		}
	}
}

// show keeps a mistake of the view from ending the process, and with it a run
// that may hold a lock.
func (q *Queue) show(e Event) {
	defer func() { _ = recover() }()
	q.sink.Emit(e)
}

package debuglog

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// most is how many lines may wait to be written. More than that are left out.
const most = 10_000

// queue writes lines from a goroutine of its own, in order.
type queue struct {
	to   io.Writer
	mu   sync.Mutex
	more *sync.Cond
	// lines wait; left counts those that found no room.
	lines [][]byte
	left  int
	ended bool
	done  chan struct{}
}

func newQueue(to io.Writer) *queue {
	q := &queue{to: to, done: make(chan struct{})}
	q.more = sync.NewCond(&q.mu)
	go q.pass()
	return q
}

// Write takes a line. It never blocks and never fails.
func (q *queue) Write(line []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.ended:
	case len(q.lines) >= most:
		q.left++
	default:
		q.lines = append(q.lines, append([]byte(nil), line...))
		q.more.Signal()
	}
	return len(line), nil
}

// close reports whether all was written within that time.
func (q *queue) close(within time.Duration) bool {
	q.mu.Lock()
	q.ended = true
	q.more.Signal()
	q.mu.Unlock()
	select {
	case <-q.done:
		return true
	case <-time.After(within):
		return false
	}
}

func (q *queue) pass() {
	defer close(q.done)
	for {
		q.mu.Lock()
		for len(q.lines) == 0 && !q.ended {
			q.more.Wait()
		}
		batch, left := q.lines, q.left
		q.lines, q.left = nil, 0
		q.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		for _, line := range batch {
			_, _ = q.to.Write(line)
		}
		if left > 0 {
			_, _ = fmt.Fprintf(q.to, "%d lines were left out: nobody read fast enough\n", left)
		}
	}
}

package treesync

import (
	"context"
	"sync"
)

// pool hands out tasks to its workers, the newest first: that
// way a tree is walked depth first, and only a few folders are open at a time.
type pool[T any] struct {
	mu     sync.Mutex
	wake   *sync.Cond
	stack  []T
	active int
	err    error

	// workers are those that were started, by start.
	workers int
	start   func(worker int)
}

// run works off first and whatever push adds, until nothing is left or handle
// fails. It returns the tasks that were not begun, for the caller to release.
func run[T any](ctx context.Context, workers int, first []T, handle func(p *pool[T], worker int, task T) error) ([]T, error) {
	p := &pool[T]{stack: first}
	p.wake = sync.NewCond(&p.mu)
	stop := context.AfterFunc(ctx, func() { p.fail(context.Cause(ctx)) })
	defer stop()
	var wg sync.WaitGroup
	p.start = func(i int) {
		wg.Go(func() {
			for {
				task, ok := p.next()
				if !ok {
					return
				}
				err := handle(p, i, task)
				p.done(err)
			}
		})
	}
	p.grow(workers)
	wg.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stack, p.err
}

// grow makes it as many workers as that, if there are fewer. A task may call it.
func (p *pool[T]) grow(workers int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for ; p.workers < workers; p.workers++ {
		p.start(p.workers)
	}
}

func (p *pool[T]) push(task T) {
	p.mu.Lock()
	p.stack = append(p.stack, task)
	p.mu.Unlock()
	p.wake.Signal()
}

func (p *pool[T]) next() (task T, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.stack) == 0 && p.active > 0 && p.err == nil {
		p.wake.Wait()
	}
	if len(p.stack) == 0 || p.err != nil {
		return task, false
	}
	last := len(p.stack) - 1
	task = p.stack[last]
	var none T
	p.stack[last] = none
	p.stack = p.stack[:last]
	p.active++
	return task, true
}

func (p *pool[T]) done(err error) {
	p.mu.Lock()
	p.active--
	idle := p.active == 0 && len(p.stack) == 0
	p.mu.Unlock()
	if err != nil {
		p.fail(err)
	} else if idle {
		p.wake.Broadcast()
	}
}

// fail keeps the first error and lets the workers leave.
func (p *pool[T]) fail(err error) {
	p.mu.Lock()
	if p.err == nil {
		p.err = err
	}
	p.mu.Unlock()
	p.wake.Broadcast()
}

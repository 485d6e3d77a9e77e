package sandbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// LoadOptions of a Load.
type LoadOptions struct {
	Writers int           // 0: 4
	Pause   time.Duration // of each writer between two pushes; 0: 100 ms
	Size    int           // bytes of the file that a push brings, about; 0: 2 KiB
	// Tiring is after how many pushes of a writer its pause doubles, again and again; 0:
	// never. It keeps a home from growing faster than a backup that is slow can read it.
	Tiring int
}

// Load is users who push: each push an operation of its own, objects, branch
// and row together, through the server's gate. The zero value is nobody.
type Load struct {
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu     sync.Mutex
	pushes int
	err    error
}

// StartLoad lets users push until the context ends or Stop is called; the
// caller MUST call Stop, which waits for them.
func StartLoad(ctx context.Context, s *Server, h *Home, o LoadOptions) *Load {
	if o.Writers == 0 {
		o.Writers = 4
	}
	if o.Pause == 0 {
		o.Pause = 100 * time.Millisecond
	}
	if o.Size == 0 {
		o.Size = 2048
	}
	ctx, cancel := context.WithCancel(ctx)
	l := &Load{cancel: cancel}
	for n := range o.Writers {
		l.wait.Go(func() { l.write(ctx, s, h, o, n) })
	}
	return l
}

// Stop ends the load and waits for the pushes in flight. It returns the first
// push's error that was not a 503, and may be called again.
func (l *Load) Stop() error {
	if l.cancel != nil {
		l.cancel()
	}
	l.wait.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Pushes is how many pushes succeeded.
func (l *Load) Pushes() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pushes
}

// write is one user: half of the pushes go to a branch of their own, half to
// main, which all users share.
func (l *Load) write(ctx context.Context, s *Server, h *Home, o LoadOptions, n int) {
	random := rand.New(rand.NewPCG(uint64(n), uint64(time.Now().UnixNano()))) //nolint:gosec // not for secrets
	pause := time.NewTicker(o.Pause)
	defer pause.Stop()
	for pushes := 1; ; pushes++ {
		if o.Tiring > 0 && pushes%o.Tiring == 0 {
			o.Pause *= 2
			pause.Reset(o.Pause)
		}
		r := h.repositories[random.IntN(len(h.repositories))]
		branch := "main"
		if random.IntN(2) == 0 {
			branch = fmt.Sprint("user-", n)
		}
		content := fmt.Appendf(nil, "%x\n", random.Uint64())
		for len(content) < o.Size/2+random.IntN(o.Size) {
			content = fmt.Appendf(content, "%x\n", random.Uint64())
		}
		err := s.Write(ctx, func(ctx context.Context) error { return h.push(ctx, r, branch, content) })
		if ctx.Err() == nil || err == nil {
			l.saw(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
	}
}

func (l *Load) saw(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.pushes++
	case l.err == nil && !errors.Is(err, ErrUnavailable):
		l.err = err
	}
}

package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bkp/internal/host"
	"bkp/providers"
)

// fuse is a connection that breaks before one of its writes, 0 for never.
type fuse struct {
	net.Conn
	left *atomic.Int64
}

func (f fuse) Write(p []byte) (int, error) {
	if f.left.Add(-1) == 0 {
		_ = f.Close()
	}
	return f.Conn.Write(p)
}

// node is a machine whose strategy keeps what it makes, as files would stay.
type node struct {
	strategy providers.Strategy
	session  *Session
	ended    chan struct{}

	mu sync.Mutex
	// made are backups that were begun and not discarded.
	made map[providers.BackupID]bool
}

// verb is the strategy's on that machine.
func (n *node) verb(_ context.Context, name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch name {
	case "prepare", "capture":
		n.made[id] = true
	case "discard":
		delete(n.made, id)
	}
	return nil
}

func (n *node) left() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.made)
}

// newNode is connected by a fuse that breaks before a write of the near side or of the
// far one.
func newNode(t *testing.T, dir string, near, far int) *node {
	t.Helper()
	n := &node{ended: make(chan struct{}), made: map[providers.BackupID]bool{}}
	def := providers.Define(providers.Homes, "probe", "x", probeConfig{}, func(probeConfig, providers.Env) (providers.Strategy, error) {
		return probe{verb: n.verb}, nil
	})
	const timeout = 20 * time.Second
	here, there := net.Pipe()
	left := func(at int) *atomic.Int64 { var c atomic.Int64; c.Store(int64(at)); return &c }
	go func() {
		defer close(n.ended)
		_ = Serve(context.Background(), fuse{there, left(far)}, timeout, Library{Registry: providers.NewRegistry(def)})
	}()
	conn := given{fuse{here, left(near)}, timeout, dir}
	n.session = NewSession("connection.x.y", conn, func(string) {})
	var once sync.Once
	n.session.begun = func(context.Context, providers.Connection) (stream providers.Stream, err error) {
		err = errors.New("the machine is gone") // for who connects again
		once.Do(func() { stream, err = conn, nil })
		return stream, err
	}
	var err error
	n.strategy, err = Open(Opening{Session: n.session, Definition: def, Config: &probeConfig{}, Work: "work/x", Env: providers.Env{Address: "home.probe.x", Host: &host.Host{}}})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// run is what a run does with a strategy, up to its capture; captured says that this is
// known here.
func (n *node) run(ctx context.Context) (captured bool, err error) {
	if _, err := n.strategy.Check(ctx); err != nil {
		return false, err
	}
	if err := n.strategy.Prepare(ctx, id); err != nil {
		return false, err
	}
	if err := n.strategy.Warm(ctx); err != nil {
		return false, err
	}
	_, err = n.strategy.Capture(ctx, id)
	return err == nil, err
}

// TestACutAtEveryMessage breaks the connection to one of three machines before each
// message, of either side: the run fails, and that machine discards what it had begun,
// closes and is gone, unless the run knows of the capture and ends well.
func TestACutAtEveryMessage(t *testing.T) {
	cuts := 0
	defer func() { t.Logf("%d connections were cut", cuts) }()
	for _, side := range []string{"near", "far"} {
		whole := 0
		for at := 1; whole < 1; at++ {
			if at > 500 {
				t.Fatal("no run is whole")
			}
			if cutOnce(t, side, at) {
				whole++
			}
			cuts++
		}
	}
}

// cutOnce reports whether the run went well all the same.
func cutOnce(t *testing.T, side string, at int) bool {
	t.Helper()
	near, far := at, 0
	if side == "far" {
		near, far = 0, at
	}
	nodes := []*node{newNode(t, t.TempDir(), near, far), newNode(t, t.TempDir(), 0, 0), newNode(t, t.TempDir(), 0, 0)}
	name := fmt.Sprintf("%s, message %d", side, at)
	var all sync.WaitGroup
	captured, failed := make([]bool, len(nodes)), make([]error, len(nodes))
	for i, n := range nodes {
		all.Go(func() { captured[i], failed[i] = n.run(t.Context()) })
	}
	all.Wait()
	good := errors.Join(failed...) == nil
	for i, n := range nodes {
		if i > 0 && failed[i] != nil {
			t.Errorf("%s: another machine fails: %v", name, failed[i])
		}
		if !good && captured[i] {
			_ = n.strategy.Discard(t.Context(), id) // as a run does that fails
		}
		closed := n.strategy.Close()
		whole := closed == nil && n.session.holds(n.session.mux)
		n.session.Close()
		<-n.ended
		if left := n.left(); left > 0 && !good {
			t.Errorf("%s: machine %d keeps %d backups of a run that failed with %v", name, i, left, failed)
		}
		if left := n.left(); left == 0 && good && whole {
			t.Errorf("%s: machine %d discarded what was captured", name, i)
		}
		good = good && whole // a cut at the very end is one, too
	}
	return good
}

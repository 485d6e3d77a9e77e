package guardian

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"bkp/internal/bitbucket"
	"bkp/internal/records/journal"
)

// patience is how long the child goes on trying to release: nobody else does.
const patience = 6 * time.Hour

// lockTimeout bounds the request to lock.
const lockTimeout = 30 * time.Second

// maxLine bounds a message.
const maxLine = 1 << 20

// Main is the child. It reads messages from in until it ends, and answers on
// out once. It returns an exit code.
func Main(in io.Reader, out io.Writer) int {
	c := &child{messages: make(chan message), out: json.NewEncoder(out), terminate: signals()}
	go c.read(in)
	first, ok := <-c.messages
	if !ok || first.Watch == nil {
		return 1
	}
	c.watch = *first.Watch
	client, err := bitbucket.New(c.watch.config())
	if err != nil {
		c.log("cannot watch: %v", err)
		return 1
	}
	defer client.Close()
	c.client = client
	c.warm()
	if err := c.out.Encode(answer{Ready: true}); err != nil {
		return 1
	}
	return c.wait()
}

type child struct {
	messages chan message
	out      *json.Encoder
	watch    watchMessage
	client   *bitbucket.Client
	lease    *bitbucket.Lease
	// late is when the parent counts as hung.
	late <-chan time.Time
	// terminate gets requests to end. While the parent lives they are left to
	// it; later, one more attempt is made.
	terminate <-chan os.Signal
}

// read hands on the parent's messages until the pipe ends.
func (c *child) read(in io.Reader) {
	defer close(c.messages)
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var m message
		if json.Unmarshal(lines.Bytes(), &m) != nil {
			return
		}
		c.messages <- m
	}
}

// wait ends when the parent has released, is dead, or is too late.
func (c *child) wait() int {
	for {
		select {
		case <-c.terminate:
		case m, alive := <-c.messages:
			if !alive {
				return c.act("bkp died")
			}
			if m.Released {
				return 0
			}
			c.take(m)
		case <-c.late:
			return c.act(fmt.Sprintf("bkp is still running after %s", c.watch.Within))
		}
	}
}

func (c *child) take(m message) {
	switch {
	case m.Lock:
		c.late = time.After(c.watch.Within)
		c.lock()
	case m.Lease != nil:
		lease := m.Lease.lease()
		c.lease = &lease
	}
}

// warm opens the connection that the lock will take. An instance that does not
// answer was reported by the parent.
func (c *child) warm() {
	ctx, cancel := context.WithTimeout(context.Background(), lockTimeout)
	defer cancel()
	_, _, _ = c.client.LockOwner(ctx)
}

// lock asks for the lock and reports to the parent, who may be dead by then.
func (c *child) lock() {
	ctx, cancel := context.WithTimeout(context.Background(), lockTimeout)
	defer cancel()
	// Without this word the parent knows that nothing was locked, if this process
	// dies.
	if c.out.Encode(answer{Asking: true}) != nil {
		return
	}
	lease, err := c.client.Lock(ctx)
	if err != nil {
		f := failure(err)
		if c.out.Encode(answer{Failed: f}) != nil && f.Unknown {
			c.log("bkp died when the lock was asked for; if it was given, nobody has its token: see bkp status")
		}
		return
	}
	c.lease = &lease
	_ = c.out.Encode(answer{Lease: &leaseMessage{Unlock: lease.UnlockToken.Reveal()}})
}

// act releases what the parent held.
func (c *child) act(why string) int {
	if c.lease == nil {
		return 0
	}
	c.log("%s while it held the lock of %s: releasing", why, c.watch.URL)
	withdraw := c.declare(time.Now())
	defer withdraw()
	c.undo()
	if err := c.release(); err != nil {
		c.log("the instance may still be locked: %v", err)
		return 1
	}
	c.log("released, as the instance confirms")
	c.record()
	return 0
}

// release repeats what the client gives up, for its patience. When it is asked
// to end, it tries once more.
func (c *child) release() error {
	const pause, last = 2 * time.Second, 30 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- c.tryRelease(ctx, pause) }()
	select {
	case err := <-ended:
		return err
	case <-c.terminate:
	}
	c.log("asked to end; trying once more")
	cancel()
	if err := <-ended; err == nil {
		return nil
	}
	once, stop := context.WithTimeout(context.Background(), last)
	defer stop()
	err := c.client.ReleaseOnce(once, *c.lease)
	if isLost(err) {
		return nil
	}
	return err
}

func (c *child) tryRelease(ctx context.Context, pause time.Duration) error {
	for {
		err := c.client.Release(ctx, *c.lease)
		if err == nil || isLost(err) {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// record records for the next run that nothing is locked. What was captured is still
// to be cleaned up by it.
func (c *child) record() {
	j, err := journal.Open(c.watch.Journal, c.watch.Run)
	if err == nil {
		err = j.Sync(journal.Record{Type: journal.Unlocked})
		_ = j.Close()
	}
	if err != nil {
		c.log("the journal could not be written: %v", err)
	}
}

func (c *child) log(format string, args ...any) {
	if c.watch.Log == "" {
		return
	}
	f, err := os.OpenFile(c.watch.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	_, _ = fmt.Fprintf(f, "%s guardian: %s\n", time.Now().UTC().Format(time.RFC3339Nano), fmt.Sprintf(format, args...))
	_ = f.Close()
}

// isLost reports whether the lock is somebody else's by now: nothing of ours is left.
func isLost(err error) bool { return errors.Is(err, bitbucket.ErrLost) }

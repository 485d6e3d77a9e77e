package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/yamux"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

const (
	// cancelTimeout is how long a call may take to end once it was cancelled; a restore has
	// undoTimeout.
	cancelTimeout = 20 * time.Second
	// attemptPause is how long a failed attempt stands for the next: what follows at
	// once, for another strategy of the same machine, would only fail later.
	attemptPause = 10 * time.Second
	// clockTolerance is by how much clocks may differ without a word.
	clockTolerance = 5 * time.Second
	lost           = "connection to the other machine was lost"
)

// Session is what one run has with one machine. Its methods may be called from
// several goroutines. Nothing is touched before the first call.
type Session struct {
	// Address of the connection.
	Address string
	conn    providers.Connection
	warn    func(string)
	// begun starts the agent; tests have one in their own process.
	begun func(context.Context, providers.Connection) (providers.Stream, error)

	mu     sync.Mutex
	mux    *yamux.Session
	stream providers.Stream
	cancel context.CancelFunc
	closed bool
	// failed is why the last attempt to connect failed, and when.
	failed   error
	failedAt time.Time
}

// NewSession returns one that is opened by its first call. warn takes a line for the
// operator.
func NewSession(address string, c providers.Connection, warn func(string)) *Session {
	return &Session{Address: address, conn: c, warn: warn, begun: connect}
}

// Machine names the machine.
func (s *Session) Machine() string { return s.conn.Machine() }

// connected returns the session, opened if it is not. What failed is tried again by
// the next call, and a session that was lost too: what ran in it was discarded there.
func (s *Session) connected(ctx context.Context) (*yamux.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.New("the run has ended")
	}
	if s.mux != nil && !s.mux.IsClosed() {
		return s.mux, nil
	}
	if s.failed != nil && time.Since(s.failedAt) < attemptPause {
		return nil, s.failed
	}
	s.drop()
	// The session outlives the call that opened it.
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	stream, err := s.begun(own, s.conn)
	if err == nil {
		s.mux, err = yamux.Client(stream, heartbeat(s.conn.Settings().Timeout))
	}
	if err == nil {
		s.stream, s.cancel = stream, cancel
		err = s.greet(own)
	}
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		cancel()
		s.drop()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		s.failed, s.failedAt = err, time.Now()
		return nil, err
	}
	s.failed = nil
	return s.mux, nil
}

// greet sees that the agent is the program that this is.
func (s *Session) greet(ctx context.Context) error {
	out, err := s.on(ctx, s.mux, call{Name: callHello}, handlers{})
	if err != nil {
		return s.explained(err)
	}
	own, err := OwnDigest()
	if err != nil {
		return err
	}
	if out.Hello == nil || out.Hello.SHA256 != own {
		return problem.New("bkp on the other machine is damaged", fmt.Sprintf("%s: its program is not that of this machine, though it lies in the place of it", s.Machine()),
			"remove the folder agent in its state folder, and run this again")
	}
	if d := time.Since(out.Hello.Now).Round(time.Second); d.Abs() > clockTolerance {
		s.warn(fmt.Sprintf("the clock of %s differs from this machine's by %s: instants are those of this machine's clock; set both by NTP", s.Machine(), d.Abs()))
	}
	return nil
}

// explained says why a session that broke right after its start did so.
func (s *Session) explained(err error) error {
	s.stop()
	if e := s.stream.Wait(); e != nil {
		return s.conn.Explain(e)
	}
	return err
}

func (s *Session) stop() {
	_ = s.mux.Close()
	s.cancel()
}

// drop ends what is there of a session.
func (s *Session) drop() {
	if s.mux != nil {
		_ = s.mux.Close() // closes the stream, and waits for the other side
		s.mux = nil
	}
	if s.cancel != nil {
		s.cancel()
		s.cancel = nil
	}
}

// Close ends the session, and waits until the other side has left. Idempotent.
func (s *Session) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.drop()
}

// handlers take what comes while a call runs.
type handlers struct {
	said func(said)
	// progress takes what is said of it instead of said; it may be nil.
	progress func(providers.Progress)
	// data takes the bytes of a tree; it may be nil.
	data io.Writer
	// send, if not nil, writes the bytes of a tree. Its context ends with the call.
	send func(context.Context, io.Writer) error
}

// call runs one call to its end. When ctx ends, the other side is asked to end it,
// and gets some time for that.
func (s *Session) call(ctx context.Context, c call, h handlers) (answer, error) {
	mux, err := s.connected(ctx)
	if err != nil {
		return answer{}, err
	}
	return s.on(ctx, mux, c, h)
}

func (s *Session) on(ctx context.Context, mux *yamux.Session, c call, h handlers) (answer, error) {
	if ctx.Err() != nil {
		return answer{}, context.Cause(ctx)
	}
	stream, err := mux.OpenStream()
	if err != nil {
		return answer{}, s.lost(err)
	}
	defer func() { _ = stream.Close() }()
	f := &frames{rw: stream}
	if err := f.writeJSON(asking, c); err != nil {
		return answer{}, s.lost(err)
	}
	stop := context.AfterFunc(ctx, func() {
		_ = stream.SetReadDeadline(time.Now().Add(c.undoneWithin()))
		_ = f.write(cancelling, nil)
	})
	defer stop()
	sending, end := context.WithCancel(ctx)
	defer end()
	sent := s.sending(sending, f, h.send)
	out, err := s.receive(f, h)
	if err != nil {
		_ = stream.Close() // ends the sending, too
	}
	if err != nil || out.Error != nil {
		end() // whatever the source of the bytes waits for
	}
	sendErr := <-sent
	switch {
	case ctx.Err() != nil && err != nil:
		return answer{}, context.Cause(ctx)
	case err != nil:
		return answer{}, err
	case sendErr != nil && (out.Error == nil || errors.Is(out.Error.on(s.Machine()), context.Canceled)): // there it only stopped
		return answer{}, sendErr
	}
	return out, out.Error.on(s.Machine())
}

// Tidy removes what restores left on the other machine that were killed, of the
// component whose folder below the state folder there is work. It waits for an agent
// that is still cleaning up after a lost session, and may be called at any time, twice,
// and while nothing is open.
func (s *Session) Tidy(ctx context.Context, work string) error {
	_, err := s.call(ctx, call{Name: callTidy, Open: &opening{StateDir: s.conn.Settings().StateDir, Work: work}}, handlers{})
	return err
}

// Relate is host.RelateAll on the other machine.
func (s *Session) Relate(ctx context.Context, folders, others []string) ([][]host.Relation, error) {
	out, err := s.call(ctx, call{Name: callRelate, Folders: folders, Others: others}, handlers{})
	if err == nil && (len(out.Relations) != len(folders) || slices.ContainsFunc(out.Relations, func(r []host.Relation) bool { return len(r) != len(others) })) {
		err = fmt.Errorf("%s: not all folders were compared", s.Machine())
	}
	return out.Relations, err
}

// sending writes the bytes of a tree, in a goroutine that ends with the stream.
func (s *Session) sending(ctx context.Context, f *frames, send func(context.Context, io.Writer) error) <-chan error {
	done := make(chan error, 1)
	if send == nil {
		done <- nil
		return done
	}
	go func() {
		w := dataWriter{f}
		err := send(ctx, w)
		if err != nil {
			_ = f.write(cancelling, nil) // half a tree must not look whole
		} else {
			err = w.Close()
		}
		done <- err
	}()
	return done
}

// receive reads up to the answer.
func (s *Session) receive(f *frames, h handlers) (answer, error) {
	for {
		k, content, err := f.read()
		if err != nil {
			return answer{}, s.lost(err)
		}
		switch k {
		case meanwhile:
			var what said
			if json.Unmarshal(content, &what) == nil && h.said != nil {
				h.said(what)
			}
		case data:
			if h.data == nil {
				continue
			}
			if _, err := h.data.Write(content); err != nil {
				return answer{}, err
			}
		case answering:
			var out answer
			if err := json.Unmarshal(content, &out); err != nil {
				return out, fmt.Errorf("answer of %s: %w", s.Machine(), err)
			}
			return out, nil
		default: // the end of data needs no action: the answer follows
		}
	}
}

func (s *Session) lost(err error) error {
	return problem.Wrapf(err, lost, fmt.Sprintf("what was unfinished there is discarded by itself within %s; see that the machine runs and the network holds, then run this again", s.conn.Settings().Timeout), "%s", s.Machine())
}

// holds reports whether a connection is the session's, and is not lost.
func (s *Session) holds(in any) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mux != nil && in == any(s.mux) && !s.mux.IsClosed()
}

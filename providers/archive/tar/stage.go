package tar

import "io"

const (
	chunkSize = 1 << 20
	// chunks is how far one stage may run ahead of the next.
	chunks = 4
)

// stage passes what is written to it on to w in a goroutine of its own, so
// that reading, compressing and writing overlap. Writing to it is for one
// goroutine, which MUST call close.
type stage struct {
	full chan chunk
	free chan []byte
	buf  []byte
	done chan struct{}
	// failed is closed when w has failed with err.
	failed chan struct{}
	err    error
}

// chunk is bytes to write, or a question whether all before it are written.
type chunk struct {
	data    []byte
	written chan<- struct{}
}

func newStage(w io.Writer) *stage {
	s := &stage{
		full: make(chan chunk, chunks), free: make(chan []byte, chunks+1),
		done: make(chan struct{}), failed: make(chan struct{}),
	}
	for range chunks {
		s.free <- nil // it is made when it is needed: many parts are small
	}
	go s.run(w)
	return s
}

func (s *stage) run(w io.Writer) {
	defer close(s.done)
	for c := range s.full {
		if s.err == nil && len(c.data) > 0 {
			if _, err := w.Write(c.data); err != nil {
				s.err = err
				close(s.failed)
			}
		}
		s.free <- c.data[:0]
		if c.written != nil {
			close(c.written)
		}
	}
}

// Write implements io.Writer. It reports a failure of w, perhaps later.
func (s *stage) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if s.buf == nil {
			s.buf = make([]byte, 0, chunkSize)
		}
		k := copy(s.buf[len(s.buf):cap(s.buf)], p)
		s.buf, p = s.buf[:len(s.buf)+k], p[k:]
		if len(s.buf) == cap(s.buf) {
			s.full <- chunk{data: s.buf}
			s.buf = <-s.free
		}
	}
	select {
	case <-s.failed:
		return 0, s.err
	default:
		return n, nil
	}
}

// sync waits until w has everything.
func (s *stage) sync() error {
	written := make(chan struct{})
	s.full <- chunk{data: s.buf, written: written}
	s.buf = <-s.free
	<-written
	select {
	case <-s.failed:
		return s.err
	default:
		return nil
	}
}

// close passes the rest on and ends the goroutine.
func (s *stage) close() error {
	s.full <- chunk{data: s.buf}
	close(s.full)
	<-s.done
	return s.err
}

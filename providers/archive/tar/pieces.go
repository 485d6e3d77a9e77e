package tar

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"bkp/internal/problem"
	"bkp/providers"
)

const (
	// pieceBuffer is how much is passed on to a place at once.
	pieceBuffer = 256 << 10
	// underWay is how many pieces of a part are written at a time: while one is made
	// safe, the next begins.
	underWay = 2
)

// pieces writes a stream as objects of at most a number of bytes, one after the
// other. It is for one goroutine, which MUST call end.
type pieces struct {
	// create is that of the place.
	create func(name string, write func(io.Writer) error) error
	// object is the name of the first.
	object string
	// most is how many bytes one may have; 0 for any.
	most int64

	all []*piece
}

// piece is one object that is being written.
type piece struct {
	counter
	name string
	pipe *io.PipeWriter
	// done is closed when the place has the object, or has failed with err.
	done chan struct{}
	err  error
}

// Write implements io.Writer. It returns a failure of the place, perhaps later.
func (p *pieces) Write(b []byte) (int, error) {
	n := 0
	for len(b) > 0 {
		now, err := p.current()
		if err != nil {
			return n, err
		}
		some := b
		if p.most > 0 {
			some = b[:min(int64(len(b)), p.most-now.bytes)]
		}
		k, err := now.Write(some)
		n, b = n+k, b[k:]
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// current is the piece that takes the next byte.
func (p *pieces) current() (*piece, error) {
	n := len(p.all)
	if n > 0 {
		last := p.all[n-1]
		if p.most == 0 || last.bytes < p.most {
			return last, nil
		}
		_ = last.pipe.Close() // it never fails
	}
	if n >= maxPieces {
		return nil, problem.New("part has too many pieces", fmt.Sprintf("%s has more than %d of %d bytes", p.object, maxPieces, p.most), "set piece_size to a larger value")
	}
	if n >= underWay {
		if before := p.all[n-underWay]; before.wait() != nil {
			return nil, before.err
		}
	}
	return p.begin(), nil
}

func (p *pieces) begin() *piece {
	from, to := io.Pipe()
	next := &piece{counter: counter{sum: sha256.New(), w: to}, name: pieceName(p.object, len(p.all)), pipe: to, done: make(chan struct{})}
	p.all = append(p.all, next)
	go func() {
		defer close(next.done)
		next.err = p.create(next.name, func(w io.Writer) error {
			_, err := io.CopyBuffer(w, from, make([]byte, pieceBuffer))
			return err
		})
		_ = from.CloseWithError(next.err) // who writes on must not wait for ever
	}()
	return next
}

func (c *piece) wait() error {
	<-c.done
	return c.err
}

// end waits for all pieces. The last one does not appear if failed is not nil; those
// before it are the caller's to remove. The error is failed, or that of the place.
func (p *pieces) end(failed error) ([]providers.Object, error) {
	if n := len(p.all); n > 0 {
		_ = p.all[n-1].pipe.CloseWithError(failed) // nil is the end of the stream
	}
	var out []providers.Object
	for _, one := range p.all {
		if err := one.wait(); err != nil && (failed == nil || errors.Is(failed, io.ErrClosedPipe)) {
			failed = err
		}
		out = append(out, providers.Object{Name: one.name, Bytes: one.bytes, SHA256: one.digest()})
	}
	return out, failed
}

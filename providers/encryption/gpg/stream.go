package gpg

import (
	"context"
	"errors"
	"io"
	"sync"
)

// writing passes what is written to a gpg of its own. Close ends it.
type writing struct {
	pipe  *io.PipeWriter
	close func() error
}

// startWriting starts run, which reads what is written and writes into w. Its
// goroutine ends before Close returns.
func startWriting(ctx context.Context, w io.Writer, run func(ctx context.Context, in io.Reader, out io.Writer) error) *writing {
	in, pipe := io.Pipe()
	out := &noting{w: w}
	done := make(chan error, 1)
	go func() {
		err := run(ctx, in, out)
		if out.err != nil { // gpg's words about it are of no use
			err = out.err
		}
		_ = in.CloseWithError(errors.Join(errors.New("gpg has ended"), err))
		done <- err
	}()
	return &writing{pipe, sync.OnceValue(func() error {
		_ = pipe.Close()
		return <-done
	})}
}

// Write implements io.Writer.
func (w *writing) Write(p []byte) (int, error) { return w.pipe.Write(p) }

// Close implements io.Closer. It may be called again.
func (w *writing) Close() error { return w.close() }

// noting remembers the error of a writer.
type noting struct {
	w   io.Writer
	err error
}

func (n *noting) Write(p []byte) (int, error) {
	c, err := n.w.Write(p)
	if err != nil {
		n.err = err
	}
	return c, err
}

// reading is what a gpg of its own writes. Close ends it.
type reading struct {
	pipe *io.PipeReader
	said *status
	stop func()
}

// startReading starts run, which writes what is read. Its goroutine ends before
// Close returns.
func startReading(ctx context.Context, run func(ctx context.Context, out io.Writer, said *status) error) *reading {
	ctx, cancel := context.WithCancel(ctx)
	pipe, out := io.Pipe()
	r := &reading{pipe: pipe, said: &status{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = out.CloseWithError(run(ctx, out, r.said)) // nil is the end
	}()
	r.stop = sync.OnceFunc(func() {
		cancel()
		_ = pipe.Close()
		<-done
	})
	return r
}

// Read implements io.Reader.
func (r *reading) Read(p []byte) (int, error) { return r.pipe.Read(p) }

// Close implements io.Closer. It may be called again.
func (r *reading) Close() error {
	r.stop()
	return nil
}

package remote

import (
	"context"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"bkp/providers"
)

// Trees are providers.Far for opened strategies, by their addresses.
type Trees struct {
	// Strategy finds the strategy at an address.
	Strategy func(address string) (providers.Strategy, bool)
}

// Pack implements providers.Far.
func (t Trees) Pack(ctx context.Context, connection string, p providers.Packing) (io.ReadCloser, error) {
	opened, _ := t.Strategy(p.Artifact.Address)
	far, ok := providers.As[interface {
		pack(context.Context, providers.Packing, io.Writer) error
	}](opened)
	if !ok {
		return nil, fmt.Errorf("%s lies on %s, and is not declared to run there", p.Artifact.Address, connection)
	}
	ctx, cancel := context.WithCancel(ctx)
	out, in := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The error of the other side comes before the end of what it sent.
		_ = in.CloseWithError(far.pack(ctx, p, in))
	}()
	plain, err := zstd.NewReader(out)
	if err != nil { // its options are wrong: every test meets it
		cancel()
		return nil, err
	}
	return &packed{Decoder: plain, from: out, cancel: cancel, done: done}, nil
}

// packed is a stream under way. Its Close ends the call.
type packed struct {
	*zstd.Decoder
	from   *io.PipeReader
	cancel context.CancelFunc
	done   <-chan struct{}
}

// Close implements io.Closer.
func (p *packed) Close() error {
	p.cancel()
	_ = p.from.Close()
	<-p.done
	p.Decoder.Close()
	return nil
}

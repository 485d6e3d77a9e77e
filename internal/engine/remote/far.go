package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"bkp/providers"
)

// Trees are providers.Far of one archive, for opened strategies by their addresses.
type Trees struct {
	// Strategy finds the strategy at an address.
	Strategy func(address string) (providers.Strategy, bool)
	// Archive is the one that asks.
	Archive Archive
}

// Archive is what another machine has to know to open an archive, but for its
// configuration.
type Archive struct {
	Definition providers.Definition
	Address    string
	// Work is its folder below a state folder.
	Work string
}

// lent is the opening of an archive on another machine. It holds credentials.
func (a Archive) lent(ctx context.Context, w providers.Worker) (opening, error) {
	cfg, err := w.Lend(ctx)
	if err != nil {
		return opening{}, err
	}
	config, err := a.Definition.Schema().Encode(cfg)
	return opening{Address: a.Address, Kind: a.Definition.Kind.Name(), Type: a.Definition.Type, Config: config, Work: a.Work}, err
}

// far is what an opened strategy of another machine can do for archives.
type far interface {
	pack(ctx context.Context, p providers.Packing, w io.Writer) error
	work(ctx context.Context, o opening, t providers.Task, progress func(providers.Progress)) (json.RawMessage, error)
}

func (t Trees) far(address string) (far, error) {
	opened, _ := t.Strategy(address)
	f, ok := providers.As[far](opened)
	if !ok {
		return nil, fmt.Errorf("%s lies on another machine, and is not declared to run there", address)
	}
	return f, nil
}

// Work implements providers.Far.
func (t Trees) Work(ctx context.Context, w providers.Worker, task providers.Task, progress func(providers.Progress)) (json.RawMessage, error) {
	f, err := t.far(task.Packing.Artifact.Address)
	if err != nil {
		return nil, err
	}
	o, err := t.Archive.lent(ctx, w)
	if err != nil {
		return nil, err
	}
	return f.work(ctx, o, task, progress)
}

// Pack implements providers.Far.
func (t Trees) Pack(ctx context.Context, _ string, p providers.Packing) (io.ReadCloser, error) {
	f, err := t.far(p.Artifact.Address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	out, in := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The error of the other side comes before the end of what it sent.
		_ = in.CloseWithError(f.pack(ctx, p, in))
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

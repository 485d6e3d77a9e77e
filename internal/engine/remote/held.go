package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"

	"bkp/internal/host"
	"bkp/providers"
)

// held is a strategy that an agent has open.
type held struct {
	lib      Library
	address  string
	work     *folder
	strategy providers.Strategy
	// hears is where what the strategy says goes: to the last call.
	hears atomic.Pointer[frames]
	// recording is held while the record of what was copied is opened or closed.
	recording sync.Mutex

	mu sync.Mutex
	// unfinished are backups that were begun, and are not whole.
	unfinished map[providers.BackupID]bool
}

func newHeld(lib Library, address string, o opening, work *folder) (*held, error) {
	def, cfg, err := lib.decode(o)
	if err != nil {
		return nil, err
	}
	h := &held{address: address, work: work, lib: lib, unfinished: map[providers.BackupID]bool{}}
	var reported atomic.Int64
	made, err := def.Open(cfg, providers.Env{
		Address: address, WorkDir: work.path, Host: &host.Host{}, Instance: o.Instance, Parallelism: max(2, runtime.NumCPU()), Log: logging{h},
		OnProgress: func(p providers.Progress) {
			if now, last := time.Now().UnixMilli(), reported.Load(); now-last >= often && reported.CompareAndSwap(last, now) {
				h.say(said{Progress: &p})
			}
		},
		Warn: func(message string) { h.say(said{Warning: message}) },
	})
	if err != nil {
		return nil, err
	}
	var ok bool
	if h.strategy, ok = made.(providers.Strategy); !ok {
		return nil, fmt.Errorf("%s cannot run on another machine", def.Name())
	}
	return h, nil
}

// say sends what the strategy says to who asked for it.
func (h *held) say(s said) {
	if to := h.hears.Load(); to != nil {
		_ = to.writeJSON(meanwhile, s) // a caller that is gone needs no progress
	}
}

// logging takes what tools print.
type logging struct{ h *held }

func (l logging) Write(p []byte) (int, error) {
	l.h.say(said{Log: p})
	return len(p), nil
}

// run carries out one call.
func (h *held) run(ctx context.Context, c call, f *frames, in io.Reader) (answer, error) {
	if c.Name != callPack && c.Name != callWork {
		h.hears.Store(f)
	}
	if changes[c.Name] || c.Task != nil && !c.Task.Looks {
		if err := h.work.own(ctx, waits[c.Name]); err != nil {
			return answer{}, err
		}
	}
	switch c.Name {
	case callCheck:
		return reported(h.strategy.Check(ctx))
	case callCompare:
		return answer{Findings: h.strategy.Compare(c.Earlier)}, nil
	case callExpect:
		h.strategy.Expect(c.Facts)
		return answer{}, nil
	case callPrepare:
		h.begin(c.Backup)
		return answer{}, h.strategy.Prepare(ctx, c.Backup)
	case callWarm:
		return answer{}, h.strategy.Warm(ctx)
	case callClock:
		return answer{Now: h.lib.now()}, nil
	case callCapture:
		return h.capture(ctx, c.Backup)
	case callSweep:
		return answer{}, h.strategy.Sweep(ctx)
	case callDiscard:
		err := h.strategy.Discard(ctx, c.Backup)
		if err == nil {
			h.settle(c.Backup)
		}
		return answer{}, err
	case callClose:
		h.settleAll()
		return answer{}, h.strategy.Close()
	case callList, callVerify, callDelete:
		return h.shelf(ctx, c)
	}
	if c.Artifact == nil && c.Packing == nil && c.Task == nil {
		return answer{}, fmt.Errorf("call %q is of a version that this bkp does not know, or names no artifact", c.Name)
	}
	return h.withArtifact(ctx, c, f, in)
}

// changes are the calls that change something, and so belong to one session.
var changes = map[string]bool{
	callPrepare: true, callWarm: true, callCapture: true, callFinish: true, callSweep: true, callDiscard: true, callDistrust: true, callRestore: true,
}

// waits are the calls that wait for an agent which has lost its session, and is still
// cleaning up.
var waits = map[string]bool{callSweep: true, callDiscard: true, callRestore: true}

func (h *held) withArtifact(ctx context.Context, c call, f *frames, in io.Reader) (answer, error) {
	switch c.Name {
	case callFinish:
		a, err := h.strategy.Finish(ctx, *c.Artifact)
		if err == nil {
			h.settleAll()
		}
		return answer{Artifact: &a}, err
	case callKeep:
		k, ok := providers.As[providers.Keeper](h.strategy)
		if !ok || c.Manifest == nil {
			return answer{}, errors.New(h.address + " keeps nothing")
		}
		a, err := k.Keep(ctx, *c.Manifest, *c.Artifact)
		return answer{Artifact: &a}, err
	case callDistrust:
		r, ok := providers.As[providers.Recorder](h.strategy)
		if !ok {
			return answer{}, errors.New(h.address + " has no record")
		}
		return answer{}, r.Distrust(ctx, *c.Artifact, c.Folders)
	case callPack:
		return answer{}, h.pack(ctx, c, f)
	case callWork:
		return h.task(ctx, c, f)
	case callCheckRestore:
		return h.checkRestore(ctx, c, f)
	case callRestore:
		return answer{}, h.restore(ctx, c, f, in)
	default:
		return answer{}, fmt.Errorf("this bkp does not know the call %q", c.Name)
	}
}

func (h *held) begin(b providers.BackupID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unfinished[b] = true
}

func (h *held) settle(b providers.BackupID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.unfinished, b)
}

func (h *held) settleAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.unfinished)
}

// capture is the verb under the lock: nothing else is done in it.
func (h *held) capture(ctx context.Context, b providers.BackupID) (answer, error) {
	h.begin(b)
	a, err := h.strategy.Capture(ctx, b)
	return answer{Artifact: &a}, err
}

// shelf is about what the strategy keeps.
func (h *held) shelf(ctx context.Context, c call) (answer, error) {
	k, ok := providers.As[providers.Keeper](h.strategy)
	if !ok {
		return answer{}, errors.New(h.address + " keeps nothing")
	}
	switch c.Name {
	case callList:
		list, findings, err := k.List(ctx)
		return answer{Manifests: list, Findings: findings}, err
	case callVerify:
		findings, err := k.Verify(ctx, c.Backup)
		return answer{Findings: findings}, err
	default:
		return answer{}, k.Delete(ctx, c.Backup)
	}
}

// pack sends the trees of an artifact, compressed and compared with their record.
func (h *held) pack(ctx context.Context, c call, f *frames) error {
	if c.Packing == nil {
		return errors.New("nothing is said of what to pack")
	}
	// What is being stored was finished: from here on the near side knows of it.
	h.settle(c.Packing.Manifest.ID)
	record, done := h.record(ctx, c.Packing.Artifact, f)
	defer done()
	out := dataWriter{f}
	packed, err := zstd.NewWriter(out, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(true))
	if err != nil {
		return err
	}
	err = h.lib.Packer.Pack(ctx, packed, *c.Packing, record)
	if e := packed.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return out.Close()
}

// record opens that of an artifact's tree; nil without one. done ends its use.
func (h *held) record(ctx context.Context, a providers.Artifact, f *frames) (record providers.Record, done func()) {
	r, ok := providers.As[providers.Recorder](h.strategy)
	if !ok {
		return nil, func() {}
	}
	h.recording.Lock() // archives store side by side, and a record is opened by one at a time
	record, err := r.Record(ctx, a)
	h.recording.Unlock()
	if err != nil {
		_ = f.writeJSON(meanwhile, said{Warning: "what is stored cannot be compared with what was copied: " + err.Error()})
		return nil, func() {}
	}
	return record, func() {
		h.recording.Lock()
		defer h.recording.Unlock()
		_ = record.Close() // it was only read
	}
}

// end discards what is unfinished, and closes.
func (h *held) end(ctx context.Context) error {
	h.hears.Store(nil)
	h.mu.Lock()
	left := slices.Collect(maps.Keys(h.unfinished))
	h.mu.Unlock()
	var all error
	for _, b := range left {
		all = errors.Join(all, h.strategy.Discard(ctx, b))
	}
	return errors.Join(all, h.strategy.Close())
}

// reported is a report for a machine that cannot look at this one: space is compared
// here, and no path of this machine is in it.
func reported(r providers.Report, err error) (answer, error) {
	checkSpace(&r)
	r.Space, r.Trees = nil, nil
	return answer{Report: &r}, err
}

package remote

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"bkp/providers"
)

// compareTimeout bounds the verbs that take no context.
const compareTimeout = time.Minute

// Opening is a strategy to run on another machine.
type Opening struct {
	Session *Session
	// Definition and Config are those of its block.
	Definition providers.Definition
	Config     any
	// Env is what it would get on this machine. Work is its folder below a state
	// folder.
	Env  providers.Env
	Work string
	// Packer turns trees of this machine into a stream, for a restore.
	Packer providers.Packer
}

// Open returns the strategy. It touches nothing: its first verb opens it on the
// other machine. What the strategy can do besides its verbs, it can do there too, but
// for Undo: an agent that has lost its session undoes what was captured itself.
func Open(o Opening) (providers.Strategy, error) {
	made, err := o.Definition.Open(o.Config, o.Env)
	if err != nil {
		return nil, err
	}
	local, _ := made.(providers.Strategy)
	config, err := o.Definition.Schema().Encode(o.Config)
	if err != nil {
		return nil, err
	}
	s := &strategy{Opening: o, local: local, config: config}
	var out providers.Strategy = s
	if _, ok := providers.As[providers.Keeper](local); ok {
		out = keeper{out, s}
	}
	if _, ok := providers.As[providers.Recorder](local); ok {
		out = recorder{out, s}
	}
	if r, ok := providers.As[providers.Rehearser](local); ok {
		out = rehearser{out, r}
	}
	return out, nil
}

// strategy passes every verb on.
type strategy struct {
	Opening
	// local is the same strategy on this machine, for what needs no machine.
	local  providers.Strategy
	config json.RawMessage

	mu sync.Mutex
	// in is the session's connection in which it is open; checked, prepared and warmed are
	// those of the last such verbs.
	in, checked, prepared, warmed any
	// unexpected is why the facts of the plan did not arrive.
	unexpected error
	// ahead is by how much the other machine's clock was ahead at the last Warm.
	ahead time.Duration
}

// opened opens the strategy in the session, unless it is.
func (s *strategy) opened(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	mux, err := s.Session.connected(ctx)
	if err != nil {
		return err
	}
	if s.in == any(mux) {
		return nil
	}
	c := call{Name: callOpen, Address: s.Env.Address, Open: &opening{
		Kind: s.Definition.Kind.Name(), Type: s.Definition.Type, Config: s.config,
		StateDir: s.Session.conn.Settings().StateDir, Work: s.Work, Instance: s.Env.Instance,
	}}
	if _, err := s.Session.on(ctx, mux, c, handlers{}); err != nil {
		return err
	}
	s.in = mux
	return nil
}

// call runs a verb there.
func (s *strategy) call(ctx context.Context, c call) (answer, error) {
	return s.callWith(ctx, c, handlers{})
}

func (s *strategy) callWith(ctx context.Context, c call, h handlers) (answer, error) {
	if err := s.opened(ctx); err != nil {
		return answer{}, err
	}
	c.Address = s.Env.Address
	h.said = s.hear
	if progress := h.progress; progress != nil {
		h.said = func(what said) {
			if what.Progress != nil {
				progress(*what.Progress)
				what.Progress = nil
			}
			s.hear(what)
		}
	}
	return s.Session.call(ctx, c, h)
}

// hear passes on what the strategy says.
func (s *strategy) hear(what said) {
	if what.Progress != nil {
		s.Env.Report(*what.Progress)
	}
	if what.Warning != "" {
		s.Env.Warning("on " + s.Session.Machine() + ": " + what.Warning)
	}
	if what.Log != nil && s.Env.Log != nil {
		_, _ = s.Env.Log.Write(what.Log) // a log that cannot be written ends no run
	}
}

// there is an artifact as the other machine has it, here as this one does.
func there(a providers.Artifact) *providers.Artifact { return hosted(a, "") }

func hosted(a providers.Artifact, host string) *providers.Artifact {
	trees := a.Trees
	a.Trees = nil
	for _, t := range trees {
		t.Host = host
		a.Trees = append(a.Trees, t)
	}
	return &a
}

func (s *strategy) here(a *providers.Artifact) providers.Artifact {
	if a == nil {
		return providers.Artifact{}
	}
	return *hosted(*a, s.Session.Address)
}

// Paths implements providers.Strategy: there are none on this machine.
func (s *strategy) Paths() providers.Paths { return providers.Paths{} }

// Check implements providers.Strategy.
func (s *strategy) Check(ctx context.Context) (providers.Report, error) {
	out, err := s.call(ctx, call{Name: callCheck})
	s.mu.Lock()
	s.checked = s.in
	s.mu.Unlock()
	if out.Report == nil {
		return providers.Report{}, err
	}
	return *out.Report, err
}

// Compare implements providers.Strategy. It is on the value of a Check: where that
// failed, its error says enough.
func (s *strategy) Compare(earlier []providers.Earlier) []providers.Finding {
	s.mu.Lock()
	in, checked := s.in, s.checked
	s.mu.Unlock()
	if in == nil {
		return nil
	}
	if checked != nil && !s.Session.holds(checked) { // a strategy that is opened anew has looked at nothing
		return []providers.Finding{*notCompared(s.Session.lost(errors.New("it ended after the check")))}
	}
	ctx, cancel := context.WithTimeout(context.Background(), compareTimeout)
	defer cancel()
	earlier = slices.Clone(earlier)
	for i := range earlier {
		earlier[i].Artifact = *there(earlier[i].Artifact)
	}
	out, err := s.call(ctx, call{Name: callCompare, Earlier: earlier})
	if err != nil {
		return []providers.Finding{*notCompared(err)}
	}
	return out.Findings
}

// Expect implements providers.Strategy. Prepare returns what went wrong with it.
func (s *strategy) Expect(facts map[string]string) {
	ctx, cancel := context.WithTimeout(context.Background(), compareTimeout)
	defer cancel()
	_, err := s.call(ctx, call{Name: callExpect, Facts: facts})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unexpected = err
}

// Prepare implements providers.Strategy.
func (s *strategy) Prepare(ctx context.Context, b providers.BackupID) error {
	s.mu.Lock()
	unexpected := s.unexpected
	s.mu.Unlock()
	if unexpected != nil {
		return unexpected
	}
	_, err := s.call(ctx, call{Name: callPrepare, Backup: b})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prepared = s.in
	return err
}

// Warm implements providers.Strategy. It sees that the session holds, and compares the
// clocks: the instant of the capture is by that of this machine.
func (s *strategy) Warm(ctx context.Context) error {
	s.mu.Lock()
	prepared := s.prepared
	s.mu.Unlock()
	if prepared != nil && !s.Session.holds(prepared) {
		return s.Session.lost(errors.New("it ended after the live pass"))
	}
	if _, err := s.call(ctx, call{Name: callWarm}); err != nil {
		return err
	}
	asked := time.Now()
	out, err := s.call(ctx, call{Name: callClock}) // it takes no longer than the way there and back
	s.mu.Lock()
	defer s.mu.Unlock()
	s.warmed, s.ahead = s.in, ahead(out.Now, asked, time.Since(asked))
	return err
}

// ahead is by how much a clock that was read within took of asked is ahead. What the
// way there and back may account for is no difference.
func ahead(there, asked time.Time, took time.Duration) time.Duration {
	by := there.Sub(asked.Add(took / 2)) //nolint:mnd // the middle
	if by.Abs() <= took/2 {              //nolint:mnd // half the way
		return 0
	}
	return by
}

// Capture implements providers.Strategy: one message, and its answer. A session that
// was lost since Warm is not opened again under the lock: what was prepared is gone.
func (s *strategy) Capture(ctx context.Context, b providers.BackupID) (providers.Artifact, error) {
	s.mu.Lock()
	warmed := s.warmed
	s.mu.Unlock()
	if warmed != nil && !s.Session.holds(warmed) {
		return providers.Artifact{}, s.Session.lost(errors.New("it ended before the capture"))
	}
	out, err := s.call(ctx, call{Name: callCapture, Backup: b})
	if err != nil {
		return providers.Artifact{}, err
	}
	a := s.here(out.Artifact)
	s.mu.Lock()
	defer s.mu.Unlock()
	a.ClockAhead += s.ahead
	a.PointInTime = a.PointInTime.Add(-s.ahead)
	return a, nil
}

// Finish implements providers.Strategy.
func (s *strategy) Finish(ctx context.Context, a providers.Artifact) (providers.Artifact, error) {
	out, err := s.call(ctx, call{Name: callFinish, Artifact: there(a)})
	if err != nil {
		return providers.Artifact{}, err
	}
	return s.here(out.Artifact), nil
}

// Sweep implements providers.Strategy.
func (s *strategy) Sweep(ctx context.Context) error {
	_, err := s.call(ctx, call{Name: callSweep})
	return err
}

// Discard implements providers.Strategy.
func (s *strategy) Discard(ctx context.Context, b providers.BackupID) error {
	_, err := s.call(ctx, call{Name: callDiscard, Backup: b})
	return err
}

// Close implements providers.Strategy. Without a session nothing is held.
func (s *strategy) Close() error {
	s.mu.Lock()
	in := s.in
	s.in = nil
	s.mu.Unlock()
	if in == nil || !s.Session.holds(in) {
		return s.local.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), compareTimeout)
	defer cancel()
	_, err := s.Session.call(ctx, call{Name: callClose, Address: s.Env.Address}, handlers{said: s.hear})
	return err
}

// Restorer implements providers.Strategy.
func (s *strategy) Restorer(target string) (providers.Restorer, error) {
	if _, err := s.local.Restorer(target); err != nil {
		return nil, err
	}
	return &restorer{s: s, target: target}, nil
}

// Elsewhere is the same strategy on this machine, for what does not concern the other:
// a restore on trial.
func Elsewhere(s providers.Strategy) providers.Strategy {
	if far, ok := providers.As[interface{ Local() providers.Strategy }](s); ok {
		return far.Local()
	}
	return s
}

// Local is the same strategy on this machine.
func (s *strategy) Local() providers.Strategy { return s.local }

// work is Trees.Work for this strategy.
func (s *strategy) work(ctx context.Context, o opening, t providers.Task, progress func(providers.Progress)) (json.RawMessage, error) {
	t.Packing.Artifact = *there(t.Packing.Artifact)
	o.StateDir, o.Instance = s.Session.conn.Settings().StateDir, s.Env.Instance
	out, err := s.callWith(ctx, call{Name: callWork, Task: &t, Archive: &o}, handlers{progress: progress})
	return out.Result, err
}

// pack is Trees.Pack for the trees of this strategy.
func (s *strategy) pack(ctx context.Context, p providers.Packing, w io.Writer) error {
	p.Artifact = *there(p.Artifact)
	_, err := s.callWith(ctx, call{Name: callPack, Packing: &p}, handlers{data: w})
	return err
}

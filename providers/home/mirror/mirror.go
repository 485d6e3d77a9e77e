package mirror

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"bkp/internal/filemeta"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/home/internal/treesync"
)

const typ = "mirror"

// Config is the block home "mirror".
type Config struct{ home.Config }

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Homes, typ, "a working copy brought up to date in two passes; needs no tool", Config{home.Defaults()},
		func(c Config, env providers.Env) (providers.Strategy, error) {
			return &strategy{Base: home.Base{Config: c.Config, Env: env}}, nil
		}, providers.Does(providers.Prepare))
}

// NodeConfig is the block mesh_node "mirror".
type NodeConfig struct{ home.NodeConfig }

// NodeDefinition describes the strategy for the home of a Mesh node.
func NodeDefinition() providers.Definition {
	return providers.Define(providers.MeshNodes, typ, "a working copy brought up to date in two passes; needs no tool", NodeConfig{home.NodeDefaults()},
		func(c NodeConfig, env providers.Env) (providers.Strategy, error) {
			return &strategy{Base: home.Base{Config: c.Home(), Env: env}}, nil
		}, providers.Does(providers.Prepare))
}

type strategy struct {
	home.Base
	// fault and now are handed to treesync, by tests.
	fault func(op, path string) error
	now   func() time.Time

	// The passes of a run, by part, and what says where to look.
	series  []*treesync.Series
	tracker *home.Tracker
	// done is what the parts before the one under way hold.
	done     providers.Progress
	reported atomic.Int64
	// copied counts the bytes that passes copied.
	copied int64
}

var _ providers.Recorder = (*strategy)(nil)

// Check implements providers.Strategy.
func (s *strategy) Check(ctx context.Context) (providers.Report, error) {
	r, err := s.Base.Check(ctx)
	if err != nil {
		return r, err
	}
	has, err := s.has(ctx)
	if err != nil {
		return r, err
	}
	s.DescribeCopy(&r, has)
	s.DescribeTracking(&r)
	return r, nil
}

// has is what the working copy holds, as its indexes say, or as a look at it
// does.
func (s *strategy) has(ctx context.Context) (providers.Estimate, error) {
	var sum providers.Estimate
	for _, p := range s.Parts() {
		files, bytes := treesync.Known(s.Index(p), p.Source)
		if files == 0 {
			return s.CopyHas(ctx)
		}
		sum = sum.Plus(providers.Estimate{Files: files, Bytes: bytes})
	}
	return sum, nil
}

func (s *strategy) workers() int { return max(s.Env.Parallelism, 2) }

// Prepare is the live pass, and further ones as long as each leaves less to the
// one under the lock.
func (s *strategy) Prepare(ctx context.Context, _ providers.BackupID) error {
	if err := s.Arrive(); err != nil {
		return err
	}
	if err := s.MakeCopyDir(); err != nil {
		return err
	}
	s.end()
	s.tracker = s.Track()
	s.begin()
	if err := s.tracker.Live(ctx, s.pass); err != nil {
		return err
	}
	s.warnSuspects()
	return s.Settled(ctx)
}

// warnSuspects warns of what something else did to the working copy. The live
// pass has compared it with the home by then, so that this backup has it right.
func (s *strategy) warnSuspects() {
	for i, p := range s.Parts() {
		found := s.series[i].Suspects()
		if found.Count == 0 {
			continue
		}
		s.Env.Warning(fmt.Sprintf("working copy was changed by something else since the last run: %d entries below %s differ, such as %q; "+
			"this run copied them again, find out what writes there", found.Count, s.CopyOf(p), found.Names))
	}
}

// Warm implements providers.Strategy: others may have prepared for longer.
func (s *strategy) Warm(ctx context.Context) error {
	if s.tracker == nil {
		return nil
	}
	return s.tracker.Warm(ctx, s.pass)
}

// Capture is the pass under the lock.
func (s *strategy) Capture(ctx context.Context, _ providers.BackupID) (providers.Artifact, error) {
	at := time.Now()
	if err := s.Still(); err != nil {
		return providers.Artifact{}, err
	}
	if err := s.MakeCopyDir(); err != nil {
		return providers.Artifact{}, err
	}
	if s.series == nil { // Prepare was left out
		s.tracker = &home.Tracker{}
		s.begin()
	}
	s.copied = 0
	if err := s.tracker.Locked(ctx, s.pass); err != nil {
		return providers.Artifact{}, err
	}
	if err := s.Still(); err != nil {
		return providers.Artifact{}, err
	}
	change := s.tracker.Change()
	if change != nil {
		change.Bytes = s.copied
	}
	return s.Artifact(s.Config.Named(typ), at, change), nil
}

// begin opens a series of passes for every part.
func (s *strategy) begin() {
	s.series, s.done = nil, providers.Progress{}
	for _, p := range s.Parts() {
		files, bytes := treesync.Known(s.Index(p), p.Source)
		s.done.TotalFiles += files
		s.done.TotalBytes += bytes
		s.series = append(s.series, treesync.Begin(treesync.Options{
			Source: p.Source, Copy: s.CopyOf(p), Index: s.Index(p), Exclude: p.Rules.Matcher(), Volatile: p.Volatile,
			Workers: s.workers(), Fault: s.fault, Now: s.now, Progress: s.progress,
		}))
	}
}

// end writes the indexes of a run, so that the next believes the copy.
func (s *strategy) end() {
	for _, series := range s.series {
		_ = series.Commit() // without an index the copy is compared byte by byte
		series.Close()
	}
	s.series = nil
	if s.tracker != nil {
		_ = s.tracker.Close()
	}
}

// Close implements providers.Strategy. By the end of a run most of the copy
// has reached the disk by itself, so that it costs little to wait for the rest.
func (s *strategy) Close() error {
	series := s.series
	s.end()
	for _, one := range series {
		_ = one.Synced() // unsynced, the copy is not believed after a reboot
	}
	return nil
}

// pass brings all parts up to date: those that changes lists by what
// changed, the others by a walk.
func (s *strategy) pass(ctx context.Context, strict bool, changes map[int]treesync.Changes) error {
	s.done = providers.Progress{TotalFiles: s.done.TotalFiles, TotalBytes: s.done.TotalBytes}
	var lost filemeta.Loss
	for i := range s.Parts() {
		c, tracked := changes[i]
		var res treesync.Result
		var err error
		if tracked {
			res, err = s.series[i].Changed(ctx, strict, c)
		} else {
			res, err = s.series[i].Full(ctx, strict)
		}
		if err != nil {
			return err
		}
		lost |= res.Lost
		s.copied += res.Copied.Bytes
		s.done.Files += res.Total.Files
		s.done.Bytes += res.Total.Bytes
	}
	s.done.TotalFiles, s.done.TotalBytes = s.done.Files, s.done.Bytes
	s.Lost(lost)
	s.Env.Report(s.done)
	return nil
}

// progress reports how far the part that is under way has come.
func (s *strategy) progress(files, bytes int64) {
	if !every(&s.reported, 100*time.Millisecond) {
		return
	}
	p := s.done
	p.Files += files
	p.Bytes += bytes
	s.Env.Report(p)
}

// every is true at most once per interval for all callers.
func every(last *atomic.Int64, d time.Duration) bool {
	now := time.Now().UnixNano()
	before := last.Load()
	return now-before >= int64(d) && last.CompareAndSwap(before, now)
}

// Discard removes what an interrupted pass left half made. The working copy
// stays: it is a cache.
func (s *strategy) Discard(ctx context.Context, _ providers.BackupID) error { return s.Sweep(ctx) }

// Sweep implements providers.Strategy.
func (s *strategy) Sweep(ctx context.Context) error {
	s.end()
	for _, p := range s.Parts() {
		if err := treesync.Clean(ctx, s.CopyOf(p), s.Index(p), s.workers()); err != nil {
			return problem.Wrap(err, "working copy cannot be cleaned up", "remove "+s.CopyDir())
		}
	}
	return nil
}

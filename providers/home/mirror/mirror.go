package mirror

import (
	"context"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"bkp/internal/filemeta"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/home/internal/treesync"
)

// Config is the block home "mirror".
type Config struct{ home.Config }

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.KindHome, "mirror", "a working copy brought up to date in two passes; needs no tool", Config{},
		func(c Config, env providers.Env) (providers.Strategy, error) {
			return &strategy{Base: home.Base{Config: c.Config, Env: env}}, nil
		})
}

type strategy struct {
	home.Base
	// fault and now are handed to treesync, by tests.
	fault func(op, path string) error
	now   func() time.Time
}

var (
	_ providers.Preparer       = (*strategy)(nil)
	_ providers.Rooted         = (*strategy)(nil)
	_ providers.Sourced        = (*strategy)(nil)
	_ providers.Stager         = (*strategy)(nil)
	_ providers.RestoreChecker = (*strategy)(nil)
	_ providers.Retargeter     = (*strategy)(nil)
)

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
	return r, nil
}

// has is what the working copy holds, as its indexes say, or as a look at it
// does.
func (s *strategy) has(ctx context.Context) (providers.Estimate, error) {
	var sum providers.Estimate
	for _, p := range s.Parts() {
		files, bytes := treesync.Known(s.index(p), p.Source)
		if files == 0 {
			return s.CopyHas(ctx)
		}
		sum = sum.Plus(providers.Estimate{Files: files, Bytes: bytes})
	}
	return sum, nil
}

func (s *strategy) workers() int { return max(s.Env.Parallelism, 2) }

func (s *strategy) index(p home.Part) string {
	return filepath.Join(s.Env.WorkDir, "index-"+strings.ReplaceAll(p.Name, "/", "-"))
}

// Prepare is the live pass.
func (s *strategy) Prepare(ctx context.Context, _ providers.BackupID) error {
	return s.pass(ctx, treesync.Options{Durable: true})
}

// Capture is the pass under the lock.
func (s *strategy) Capture(ctx context.Context, _ providers.BackupID) (providers.Artifact, error) {
	at := time.Now()
	if err := s.pass(ctx, treesync.Options{Strict: true}); err != nil {
		return providers.Artifact{}, err
	}
	return s.Artifact(Definition().Name(), at), nil
}

func (s *strategy) pass(ctx context.Context, o treesync.Options) error {
	if err := s.MakeCopyDir(); err != nil {
		return err
	}
	var lost filemeta.Loss
	var total providers.Progress
	for _, p := range s.Parts() {
		files, bytes := treesync.Known(s.index(p), p.Source)
		total.TotalFiles += files
		total.TotalBytes += bytes
	}
	for _, p := range s.Parts() {
		o.Source, o.Copy, o.Index = p.Source, s.CopyOf(p), s.index(p)
		o.Exclude, o.Volatile, o.Workers = p.Rules.Matcher(), p.Volatile, s.workers()
		o.Fault, o.Now = s.fault, s.now
		var last atomic.Int64
		o.Progress = func(files, bytes int64) {
			if every(&last, 100*time.Millisecond) {
				s.Env.Report(providers.Progress{
					Files: total.Files + files, Bytes: total.Bytes + bytes,
					TotalFiles: total.TotalFiles, TotalBytes: total.TotalBytes,
				})
			}
		}
		res, err := treesync.Sync(ctx, o)
		if err != nil {
			return err
		}
		lost |= res.Lost
		total.Files += res.Total.Files
		total.Bytes += res.Total.Bytes
	}
	s.Lost(lost)
	s.Env.Report(providers.Progress{Files: total.Files, Bytes: total.Bytes, TotalFiles: total.Files, TotalBytes: total.Bytes})
	return nil
}

// every is true at most once in a while, whoever asks.
func every(last *atomic.Int64, d time.Duration) bool {
	now := time.Now().UnixNano()
	before := last.Load()
	return now-before >= int64(d) && last.CompareAndSwap(before, now)
}

// Discard removes what an interrupted pass left half made. The working copy
// stays: it is a cache.
func (s *strategy) Discard(ctx context.Context, _ providers.BackupID) error {
	for _, p := range s.Parts() {
		if err := treesync.Clean(ctx, s.CopyOf(p), s.index(p), s.workers()); err != nil {
			return problem.Wrap(err, "working copy cannot be cleaned up", "remove "+s.CopyDir())
		}
	}
	return nil
}

// Retarget implements providers.Retargeter.
func (s *strategy) Retarget(target string) (providers.Strategy, error) {
	base, err := s.To(target)
	if err != nil {
		return nil, err
	}
	return &strategy{Base: base}, nil
}

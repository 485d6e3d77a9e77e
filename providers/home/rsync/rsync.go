package rsync

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/home/internal/treesync"
)

// Exit codes of rsync.
const (
	protocol = 2  // the two sides disagree, as over a tree that changes
	stream   = 12 // likewise
	partial  = 23 // some files could not be transferred
	vanished = 24 // a file was gone before it could be read
)

// patience is how long rsync may stand still. Nothing bounds a live pass
// otherwise, and its own --timeout does not: its processes keep each other awake.
const patience = 5 * time.Minute

const lockRemedy = "find out what writes to the home besides Bitbucket, and stop it during the backup"

const typ = "rsync"

// Config is the block home "rsync".
type Config struct {
	home.Config
	Tool
}

// NodeConfig is the block mesh_node "rsync".
type NodeConfig struct {
	home.NodeConfig
	Tool
}

// Tool is what both blocks say of the program.
type Tool struct {
	BinDir string `hcl:"bin_dir,optional" help:"folder of rsync" unset:"PATH"`
}

// NodeDefinition describes the strategy for the home of a Mesh node.
func NodeDefinition() providers.Definition {
	return providers.Define(providers.MeshNodes, typ, "a working copy brought up to date by rsync in two passes", NodeConfig{NodeConfig: home.NodeDefaults()},
		func(c NodeConfig, env providers.Env) (providers.Strategy, error) {
			return newStrategy(Config{c.Home(), c.Tool}, env), nil
		}, providers.Does(providers.Prepare))
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Homes, typ, "a working copy brought up to date by rsync in two passes", Config{Config: home.Defaults()},
		func(c Config, env providers.Env) (providers.Strategy, error) { return newStrategy(c, env), nil },
		providers.Does(providers.Prepare))
}

func newStrategy(c Config, env providers.Env) *strategy {
	return &strategy{Base: home.Base{Config: c.Config, Env: env}, tool: filepath.Join(c.BinDir, "rsync"), patience: patience}
}

type strategy struct {
	home.Base
	tool string
	// patience is how long the tool may stand still.
	patience time.Duration
	// able is what the rsync of this run can do.
	able    *ability
	tracker *home.Tracker
	torn    unconfirmed
	seals   seals
}

// Check implements providers.Strategy.
func (s *strategy) Check(ctx context.Context) (providers.Report, error) {
	r, err := s.Base.Check(ctx)
	if err != nil {
		return r, err
	}
	a, err := s.ability(ctx)
	var p *problem.Problem
	switch {
	case errors.As(err, &p):
		r.Add(p)
	case err != nil:
		return r, err
	default:
		r.Facts["rsync"] = a.version.String()
		if !a.acls || !a.xattrs {
			r.Add(problem.Warn("rsync does not keep all attributes", "it was built without ACLs or extended attributes",
				"install an rsync with both, if the home uses them"))
		}
	}
	has, err := s.CopyHas(ctx)
	if err != nil {
		return r, err
	}
	s.DescribeCopy(&r, has)
	s.DescribeTracking(&r)
	return r, nil
}

// ability asks the rsync what it can, and refuses one that cannot do the work.
func (s *strategy) ability(ctx context.Context) (ability, error) {
	path, err := s.Env.Host.LookPath(s.tool)
	if err != nil {
		return ability{}, err
	}
	text, err := s.Env.Host.Output(ctx, host.Command{Name: path, Args: []string{"--version"}})
	if err != nil {
		return ability{}, err
	}
	a, err := parseVersion(text)
	if err != nil {
		return a, err
	}
	if p := a.check(); p != nil {
		return a, p
	}
	return a, nil
}

// Prepare is the live pass, and further ones as long as each leaves less to the
// one under the lock.
func (s *strategy) Prepare(ctx context.Context, _ providers.BackupID) error {
	a, err := s.ability(ctx)
	if err != nil {
		return err
	}
	if err := s.Arrive(); err != nil {
		return err
	}
	if err := s.MakeCopyDir(); err != nil {
		return err
	}
	_ = s.Close()
	if err := s.compare(ctx); err != nil {
		return err
	}
	s.able, s.tracker = &a, s.Track()
	if err := s.tracker.Live(ctx, s.pass); err != nil {
		return err
	}
	return s.Settled(ctx)
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
	if err := s.begin(ctx); err != nil {
		return providers.Artifact{}, err
	}
	if err := s.tracker.Locked(ctx, s.pass); err != nil {
		return providers.Artifact{}, err
	}
	if err := s.confirm(ctx); err != nil {
		return providers.Artifact{}, err
	}
	if err := s.captured(); err != nil {
		return providers.Artifact{}, err
	}
	if err := s.Still(); err != nil {
		return providers.Artifact{}, err
	}
	return s.Artifact(s.Config.Named(typ), at, s.tracker.Change()), nil
}

// begin prepares the pass under the lock, and what Prepare did not if it was left
// out.
func (s *strategy) begin(ctx context.Context) error {
	if s.able != nil {
		return s.question(ctx)
	}
	a, err := s.ability(ctx)
	if err == nil {
		err = s.MakeCopyDir()
	}
	if err == nil {
		err = s.compare(ctx)
	}
	if err != nil {
		return err
	}
	s.able, s.tracker = &a, &home.Tracker{}
	if err := s.question(ctx); err != nil {
		return err
	}
	return s.suspectAgain(ctx)
}

// Close implements providers.Strategy. By the end of a run most of the copy has
// reached the disk by itself, so that it costs little to wait for the rest.
func (s *strategy) Close() error {
	s.synced()
	if s.tracker == nil {
		return nil
	}
	return s.tracker.Close()
}

// Discard leaves the copy as it is: rsync cleans up its temporary files, and those of a
// killed one go with the next pass, which deletes what the home does not have.
func (s *strategy) Discard(ctx context.Context, _ providers.BackupID) error { return s.Sweep(ctx) }

// Sweep implements providers.Strategy.
func (s *strategy) Sweep(context.Context) error {
	for _, p := range s.Parts() {
		if err := treesync.CleanIndex(s.Index(p)); err != nil {
			return problem.Wrap(err, "index cannot be cleaned up", "remove "+s.Index(p)+".new")
		}
	}
	return nil
}

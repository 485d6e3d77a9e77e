package rsync

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home"
)

// vanished is rsync's exit code when a file was gone before it could be read.
const vanished = 24

// Config is the block home "rsync".
type Config struct {
	home.Config
	Rsync string `hcl:"rsync,optional" help:"name or path of the rsync to run"`
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.KindHome, "rsync", "a working copy brought up to date by rsync in two passes", Config{Rsync: "rsync"},
		func(c Config, env providers.Env) (providers.Strategy, error) { return newStrategy(c, env), nil })
}

func newStrategy(c Config, env providers.Env) *strategy {
	return &strategy{Base: home.Base{Config: c.Config, Env: env}, tool: c.Rsync}
}

type strategy struct {
	home.Base
	tool string
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
			r.Add(problem.Warn("rsync keeps too little", "it was built without ACLs or extended attributes",
				"install one that has them, if the home uses them"))
		}
	}
	has, err := s.CopyHas(ctx)
	if err != nil {
		return r, err
	}
	s.DescribeCopy(&r, has)
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

// Prepare is the live pass.
func (s *strategy) Prepare(ctx context.Context, _ providers.BackupID) error {
	return s.pass(ctx, true)
}

// Capture is the pass under the lock.
func (s *strategy) Capture(ctx context.Context, _ providers.BackupID) (providers.Artifact, error) {
	at := time.Now()
	if err := s.pass(ctx, false); err != nil {
		return providers.Artifact{}, err
	}
	return s.Artifact(Definition().Name(), at), nil
}

func (s *strategy) pass(ctx context.Context, live bool) error {
	a, err := s.ability(ctx)
	if err != nil {
		return err
	}
	if err := s.MakeCopyDir(); err != nil {
		return err
	}
	for _, p := range s.Parts() {
		c := host.Command{Name: s.tool, Args: arguments(a, p, s.CopyOf(p)), Stdout: s.Env.Log, Stderr: s.Env.Log}
		if live {
			c.OK = []int{vanished}
		}
		if err := os.MkdirAll(s.CopyOf(p), 0o700); err != nil {
			return err
		}
		if _, err := s.Env.Host.Run(ctx, c); err != nil {
			return explain(err, p)
		}
	}
	return nil
}

// explain adds what rsync's exit codes mean for a backup.
func explain(err error, p home.Part) error {
	var exit *host.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	remedy := "see the run's log for all that rsync said"
	switch exit.Code {
	case vanished:
		return problem.Wrapf(err, "file changed under the lock",
			"find out what writes to the home besides Bitbucket, and stop it during the backup", "%s", p.Source)
	case 11: // input or output, most often a full disk
		remedy = "make room on the file system of the state folder"
	case 23: // some files could not be transferred
		remedy = "run bkp as the user that Bitbucket runs as, or as root, on a file system that keeps what the home's keeps"
	}
	return problem.Wrapf(err, "rsync failed", remedy, "%s", fmt.Sprintf("copying %s", p.Source))
}

// Discard has nothing to remove: rsync cleans up its temporary files, and those
// of a killed one go with the next pass, which deletes what the home does not
// have.
func (*strategy) Discard(context.Context, providers.BackupID) error { return nil }

// Retarget implements providers.Retargeter.
func (s *strategy) Retarget(target string) (providers.Strategy, error) {
	base, err := s.To(target)
	if err != nil {
		return nil, err
	}
	return &strategy{Base: base, tool: s.tool}, nil
}

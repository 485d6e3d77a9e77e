package command

import (
	"context"
	"fmt"
	"time"

	"bkp/internal/lab/sandbox"
	"bkp/internal/problem"
)

type checkCmd struct {
	Home      string        `arg:"" type:"path" help:"The restored home."`
	Database  string        `arg:"" env:"BITBUCKET_SANDBOX_DATABASE" help:"The word embedded, or the URL of the restored PostgreSQL or MySQL database."`
	DataStore []string      `type:"path" help:"A data store of the home; may be repeated."`
	Mesh      []string      `type:"path" help:"The home of a Mesh node; may be repeated, for all of them."`
	Within    time.Duration `placeholder:"DURATION" help:"Accept that home and database differ by pushes of this time before the newest one: for a backup that was made while users pushed."`
}

// Run prints what is wrong, each failure on a line, and then fails.
func (c *checkCmd) Run(ctx context.Context, s streams) error {
	r, err := sandbox.Check(ctx, sandbox.Checking{Home: c.Home, Database: c.Database, Stores: c.DataStore, Nodes: c.Mesh, Within: c.Within})
	if err != nil {
		return err
	}
	for _, f := range r.Failures {
		_, _ = fmt.Fprintln(s.err, f)
	}
	if n := len(r.Failures); n > 0 {
		return problem.New("the home and its database are not consistent", fmt.Sprintf("%d failures in %s", n, c.Home),
			"do not use what was restored: restore another backup")
	}
	if c.Within > 0 {
		_, err = fmt.Fprintf(s.out, "consistent within %s: %d repositories, %d branches, %d of them differ by the last pushes, %d pushes\n", c.Within, r.Repositories, r.Branches, r.Unsettled, r.Pushes)
		return err
	}
	_, err = fmt.Fprintf(s.out, "consistent: %d repositories, %d branches, %d pushes\n", r.Repositories, r.Branches, r.Pushes)
	return err
}

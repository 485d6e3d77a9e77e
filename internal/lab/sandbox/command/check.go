package command

import (
	"context"
	"fmt"

	"bkp/internal/lab/sandbox"
	"bkp/internal/problem"
)

type checkCmd struct {
	Home      string   `arg:"" type:"path" help:"The restored home."`
	Database  string   `arg:"" env:"BITBUCKET_SANDBOX_DATABASE" help:"The word embedded, or the URL of the restored PostgreSQL or MySQL database."`
	DataStore []string `type:"path" help:"A data store of the home; may be repeated."`
}

// Run prints what is wrong, each failure on a line, and then fails.
func (c *checkCmd) Run(ctx context.Context, s streams) error {
	r, err := sandbox.Check(ctx, c.Home, c.Database, c.DataStore...)
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
	_, err = fmt.Fprintf(s.out, "consistent: %d repositories, %d branches, %d pushes\n", r.Repositories, r.Branches, r.Pushes)
	return err
}

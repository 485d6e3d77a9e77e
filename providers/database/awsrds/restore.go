package awsrds

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/internal/aws"
)

// Restorer implements providers.Strategy: target is the name of a new database.
func (s *strategy) Restorer(target string) (providers.Restorer, error) {
	to := s.config.target(target)
	if !identifier.MatchString(to) {
		return nil, problem.New("not a name of RDS", fmt.Sprintf("%q is not one", to), "use letters, digits and single hyphens, at most 63, the first a letter")
	}
	return restorer{from: s, to: to}, nil
}

type restorer struct {
	providers.BaseRestorer

	from *strategy
	to   string
}

// Check implements providers.Restorer.
func (r restorer) Check(ctx context.Context, a providers.Artifact) (providers.Report, error) {
	report := providers.Report{Does: map[providers.Verb]string{
		providers.Restore: fmt.Sprintf("make a new database %s in RDS, of %s at %s", r.to, a.Ref[refInstance], a.PointInTime.UTC().Format("2006-01-02 15:04:05")),
	}}
	if err := r.check(ctx, a); err != nil {
		var p *problem.Problem
		if !errors.As(err, &p) {
			return report, err
		}
		report.Add(p)
	}
	return report, nil
}

func (r restorer) check(ctx context.Context, a providers.Artifact) error {
	_, taken, err := r.from.aws.Database(ctx, r.to)
	if err != nil {
		return err
	}
	if taken {
		return problem.New("database is there already", r.to+" is in RDS", "name another one with --database or restore.identifier, or delete it in RDS if nobody needs it")
	}
	if name := a.Ref[refSnapshot]; name != "" {
		done, err := r.from.complete(ctx, name)
		if err == nil && !done {
			err = problem.New("snapshot is not complete", name, "wait until it is, then restore again")
		}
		return err
	}
	d, err := r.from.database(ctx)
	if err != nil {
		return err
	}
	return same(d, a)
}

// Restore implements providers.Restorer.
func (r restorer) Restore(ctx context.Context, a providers.Artifact) error {
	if err := r.check(ctx, a); err != nil {
		return err
	}
	live, _, err := r.from.aws.Database(ctx, a.Ref[refInstance])
	if err != nil {
		return err
	}
	var at time.Time
	if a.Ref[refSnapshot] == "" {
		if at, err = instantOf(a); err != nil {
			return err
		}
	}
	n := aws.NewDatabase{ID: r.to, Snapshot: a.Ref[refSnapshot], From: a.Ref[refInstance], At: at, Like: r.like(live), Tags: map[string]string{tagRestored: a.Ref[refBackup]}}
	if err := r.from.aws.RestoreDatabase(ctx, n); err != nil {
		if !aws.Answered(err) {
			err = errors.Join(err, r.undo(context.WithoutCancel(ctx), a))
		}
		return err
	}
	made, err := r.available(ctx)
	if err != nil {
		return errors.Join(err, r.undo(context.WithoutCancel(ctx), a))
	}
	if r.from.env.Warn != nil {
		r.from.env.Warn(switching(made, live))
	}
	return nil
}

// like is what the new database is to be.
func (r restorer) like(live aws.Database) aws.Database {
	c := r.from.config.Restore
	groups := c.SecurityGroups
	if len(groups) == 0 {
		groups = live.SecurityGroups
	}
	return aws.Database{
		Class: cmp.Or(c.Class, live.Class), SubnetGroup: cmp.Or(c.SubnetGroup, live.SubnetGroup), ParameterGroup: cmp.Or(c.ParameterGroup, live.ParameterGroup),
		OptionGroup: cmp.Or(c.OptionGroup, live.OptionGroup), SecurityGroups: groups, MultiZone: live.MultiZone,
	}
}

// available waits for the new database.
func (r restorer) available(ctx context.Context) (d aws.Database, err error) {
	err = aws.Wait(ctx, func() (bool, error) {
		var there bool
		if d, there, err = r.from.aws.Database(ctx, r.to); err != nil {
			return false, err
		}
		broken := slices.ContainsFunc([]string{"failed", "incompatible", "delet", "restore-error"}, func(s string) bool { return strings.HasPrefix(d.Status, s) })
		if !there || broken {
			return false, problem.New("new database failed", fmt.Sprintf("%s is %s", r.to, cmp.Or(d.Status, "gone")), "see its events in RDS: most often a group or class does not fit")
		}
		return d.Status == aws.Available, nil
	})
	return d, err
}

// undo deletes the new database, if it is the one that this restore made.
func (r restorer) undo(ctx context.Context, a providers.Artifact) error {
	d, there, err := r.from.aws.Database(ctx, r.to)
	if err != nil || !there || d.Tags[tagRestored] != a.Ref[refBackup] {
		return err
	}
	return r.from.aws.DeleteDatabase(ctx, r.to)
}

// switching says how Bitbucket comes to use the new database. The names are exchanged
// by the operator.
func switching(made, live aws.Database) string {
	text := fmt.Sprintf("the new database is %s at %s; let Bitbucket use it with jdbc.url in bitbucket.properties", made.ID, made.Endpoint)
	if live.ID == "" {
		return text
	}
	return text + fmt.Sprintf(`, or give it the name of the old one:

    aws rds modify-db-instance --apply-immediately --db-instance-identifier %[1]s --new-db-instance-identifier %[1]s-old
    aws rds modify-db-instance --apply-immediately --db-instance-identifier %[2]s --new-db-instance-identifier %[1]s`, live.ID, made.ID)
}

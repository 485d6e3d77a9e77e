package rds

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
func (s *Strategy) Restorer(target string) (providers.Restorer, error) {
	to := s.config.Target(target)
	if !Identifier.MatchString(to) {
		return nil, problem.New("not a name of RDS", fmt.Sprintf("%q is not one", to), "use letters, digits and single hyphens, at most 63, the first a letter")
	}
	return restorer{from: s, to: to}, nil
}

type restorer struct {
	providers.BaseRestorer

	from *Strategy
	to   string
}

// Check implements providers.Restorer.
func (r restorer) Check(ctx context.Context, a providers.Artifact) (providers.Report, error) {
	report := providers.Report{Does: map[providers.Verb]string{
		providers.Restore: fmt.Sprintf("make a new database %s in RDS, of %s at %s", r.to, a.Ref[refInstance], a.PointInTime.UTC().Format("2006-01-02 15:04:05")),
	}}
	err := r.check(ctx, a)
	if err == nil {
		err = r.from.checkProperties()
	}
	if err != nil {
		var p *problem.Problem
		if !errors.As(err, &p) {
			return report, err
		}
		report.Add(p)
	}
	return report, nil
}

func (r restorer) check(ctx context.Context, a providers.Artifact) error {
	_, taken, err := r.from.calls().Find(ctx, r.to)
	if err != nil {
		return err
	}
	if taken {
		return problem.New("database is there already", r.to+" is in RDS", "name another one with --database or restore.identifier, or delete it in RDS if nobody needs it")
	}
	if err := r.checkClass(ctx, a); err != nil {
		return err
	}
	if name := a.Ref[refSnapshot]; name != "" {
		_, there, err := r.from.snapshot(ctx, name)
		if err == nil && !there && a.Ref[aws.RefCopies] != "" {
			return r.from.checkCopies(ctx, a)
		}
		if err != nil {
			return err
		}
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

// checkClass refuses a cluster whose instances could not be made in the end, because nobody knows
// of what class.
func (r restorer) checkClass(ctx context.Context, a providers.Artifact) error {
	if r.from.config.Kind != aws.Clusters {
		return nil
	}
	live, _, err := r.from.calls().Find(ctx, a.Ref[refInstance])
	if err != nil {
		return err
	}
	like, err := r.like(ctx, live, a)
	if err == nil && like.Class == "" {
		return problem.New("class of the new instances is not known", a.Ref[refInstance]+" is gone or has no instance, and the backup does not say of what class they were", "set restore.class in "+r.from.env.Address)
	}
	return err
}

// Restore implements providers.Restorer.
func (r restorer) Restore(ctx context.Context, a providers.Artifact) (err error) {
	if err := r.check(ctx, a); err != nil {
		return err
	}
	live, _, err := r.from.calls().Find(ctx, a.Ref[refInstance])
	if err != nil {
		return err
	}
	n := aws.NewDatabase{ID: r.to, From: a.Ref[refInstance], Tags: map[string]string{TagRestored: a.Ref[refBackup]}}
	if n.Like, err = r.like(ctx, live, a); err != nil {
		return err
	}
	if a.Ref[refSnapshot] == "" {
		if n.At, err = instantOf(a); err != nil {
			return err
		}
	} else {
		var drop func() error
		if n.Snapshot, drop, err = r.from.bring(ctx, a); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, drop()) }()
	}
	made, err := r.make(ctx, n, a)
	if err != nil {
		return err
	}
	return r.lead(made, live)
}

// make makes the new database. What it began is deleted if it fails.
func (r restorer) make(ctx context.Context, n aws.NewDatabase, a providers.Artifact) (made aws.Database, err error) {
	if err := r.from.calls().Restore(ctx, n); err != nil {
		if !aws.Answered(err) {
			err = errors.Join(err, r.undo(context.WithoutCancel(ctx), a))
		}
		return made, err
	}
	made, err = r.available(ctx, r.from.config.Kind, r.to)
	if err == nil {
		err = r.addMembers(ctx, n)
	}
	if err != nil {
		return made, errors.Join(err, r.undo(context.WithoutCancel(ctx), a))
	}
	return made, nil
}

// addMembers makes the instances of a cluster, all at once, and waits for them.
func (r restorer) addMembers(ctx context.Context, n aws.NewDatabase) error {
	if r.from.config.Kind != aws.Clusters {
		return nil
	}
	var names []string
	for i := range max(r.from.config.Restore.Members, 1) {
		names = append(names, fmt.Sprintf("%s-%d", r.to, i+1))
	}
	for _, name := range names {
		if err := r.from.calls().AddMember(ctx, name, n); err != nil {
			return err
		}
	}
	for _, name := range names {
		if _, err := r.available(ctx, aws.Instances, name); err != nil {
			return err
		}
	}
	return nil
}

// usable are the states of a new database that takes connections. Its first backup by
// Amazon may take hours.
var usable = []string{aws.Available, "backing-up", "storage-optimization"}

// available waits for a new database.
func (r restorer) available(ctx context.Context, k aws.Kind, id string) (d aws.Database, err error) {
	var unseen aws.Unseen
	err = aws.Wait(ctx, func() (bool, error) {
		var there bool
		if d, there, err = r.from.aws.Databases(k).Find(ctx, id); err != nil {
			return false, err
		}
		if !there && !unseen.Missing(false) {
			return false, nil
		}
		broken := slices.ContainsFunc([]string{"failed", "incompatible", "inaccessible", "delet", "restore-error"}, func(s string) bool { return strings.HasPrefix(d.Status, s) })
		if !there || broken {
			return false, problem.New("new database failed", fmt.Sprintf("%s is %s", id, cmp.Or(d.Status, "gone")), "see its events in RDS: most often a group or class does not fit")
		}
		return slices.Contains(usable, d.Status) && d.Endpoint != "", nil
	})
	return d, err
}

// undo deletes the new database, if it is the one that this restore made.
func (r restorer) undo(ctx context.Context, a providers.Artifact) error {
	d, there, err := r.from.calls().Find(ctx, r.to)
	if err != nil || !there || d.Tags[TagRestored] != a.Ref[refBackup] {
		return err
	}
	return r.from.calls().Delete(ctx, d)
}

// lead leads Bitbucket to the new database, or says how that is done. The names are
// exchanged by the operator.
func (r restorer) lead(made, live aws.Database) error {
	changed, err := r.from.setProperties(made.Endpoint)
	if err != nil {
		return problem.Wrapf(err, "settings of Bitbucket could not be changed", "set jdbc.url in it by hand", "the new database is %s at %s", made.ID, made.Endpoint)
	}
	if r.from.env.Warn != nil {
		r.from.env.Warn(r.from.switching(made, live, changed))
	}
	return nil
}

func (s *Strategy) switching(made, live aws.Database, changed bool) string {
	text := fmt.Sprintf("the new database is %s at %s", made.ID, made.Endpoint)
	if changed {
		return text + ", and jdbc.url in " + s.config.Restore.Properties + " leads to it"
	}
	text += "; let Bitbucket use it with jdbc.url in bitbucket.properties"
	if live.ID == "" {
		return text
	}
	noun := "db-instance"
	if s.config.Kind == aws.Clusters {
		noun = "db-cluster"
	}
	return text + fmt.Sprintf(`, or give it the name of the old one:

    aws rds modify-%[3]s --apply-immediately --%[3]s-identifier %[1]s --new-%[3]s-identifier %[1]s-old
    aws rds modify-%[3]s --apply-immediately --%[3]s-identifier %[2]s --new-%[3]s-identifier %[1]s`, live.ID, made.ID, noun)
}

// instantOf is the time to restore, by Amazon's clock.
func instantOf(a providers.Artifact) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, a.Ref[refTime])
	if err != nil {
		return at, problem.Wrapf(err, "backup does not say what time to restore", "restore another backup", "%s", a.Address)
	}
	return at, nil
}

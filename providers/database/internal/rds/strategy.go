package rds

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/database"
	"bkp/providers/internal/aws"
)

// TagRestored is of a database that a restore makes: the backup.
const TagRestored = "bkp:restored"

const (
	tagBackup  = aws.TagBackup
	tagAddress = "bkp:address"
	// tagDoomed is of a snapshot that is to be deleted as soon as RDS does that.
	tagDoomed = "bkp:doomed"

	factResource = "resource"
	factEngine   = "engine"
	factVersion  = "version"

	refBackup   = "backup"
	refInstance = "instance"
	refResource = "resource"
	refTime     = "time"
	refSnapshot = "snapshot"
	// refLike has the class and the groups of the database, for a restore after it is gone.
	refLike = "like"
)

const (
	// margin is how far the clocks of Amazon may differ, on both sides of a point in
	// time.
	margin = 2 * time.Second
	// stale is how old the latest restorable time is that says that the log does not arrive.
	stale = 15 * time.Minute
)

// Strategy captures a database. It implements providers.Keeper and aws.Copyable.
type Strategy struct {
	providers.Base

	config Config
	env    providers.Env
	aws    *aws.Client
	// expected is the identity of the database that the plan saw, "" for any.
	expected string
	// class is that of the instances of a cluster, since Warm.
	class string
}

var (
	_ providers.Strategy = (*Strategy)(nil)
	_ providers.Keeper   = (*Strategy)(nil)
)

// New returns the strategy of a configuration. It touches nothing.
func New(c Config, env providers.Env) *Strategy {
	return &Strategy{config: c, env: env, aws: aws.New(c.Access)}
}

func (s *Strategy) calls() aws.Databases { return s.aws.Databases(s.config.Kind) }

// database is the one that is backed up.
func (s *Strategy) database(ctx context.Context) (aws.Database, error) {
	d, ok, err := s.calls().Find(ctx, s.config.Database)
	if err == nil && !ok {
		err = problem.New("database is not known to Amazon", s.config.Database+" is not in this account and region", "correct "+s.config.Attribute+", or region")
	}
	return d, err
}

// Check implements providers.Strategy.
func (s *Strategy) Check(ctx context.Context) (providers.Report, error) {
	r := providers.Report{Facts: map[string]string{}, Does: map[providers.Verb]string{}}
	d, err := s.database(ctx)
	if err != nil {
		return r, database.AddProblem(&r, err)
	}
	r.Facts[factResource], r.Facts[factEngine], r.Facts[factVersion] = d.Resource, d.Engine, d.Version
	if s.config.Snapshot {
		r.Does[providers.Prepare] = "remove what an earlier try of the backup left"
		r.Does[providers.Capture] = "take a snapshot of " + d.ID + ", and wait until RDS has begun with all of it"
		r.Does[providers.Finish] = "wait until the snapshot is complete"
		if d.Status != aws.Available {
			r.Add(problem.New("database is busy", fmt.Sprintf("%s is %s", d.ID, d.Status), "wait until its status is available, then plan again"))
		}
		if !d.MultiZone {
			r.Add(problem.Warn("database stands still for its snapshot", d.ID+" lies in one zone, and RDS suspends its reads and writes meanwhile", `use method = "point_in_time"`))
		}
		return r, nil
	}
	r.Does[providers.Capture] = "choose a point in time of " + d.ID
	r.Does[providers.Finish] = "wait until RDS can restore that time"
	clock, err := s.aws.Clock(ctx)
	if err != nil {
		return r, database.AddProblem(&r, err)
	}
	switch {
	case d.Retention == 0:
		r.Add(problem.New("database keeps no past", d.ID+" has no automated backups, so RDS cannot restore a point in time", `set its backup retention period in RDS, or use method = "snapshot"`))
	case clock.Sub(d.Latest) > stale:
		r.Add(problem.New("log of the database does not arrive", fmt.Sprintf("RDS can restore %s up to %s, and it is %s", d.ID, d.Latest.UTC().Format(time.RFC3339), clock.UTC().Format(time.RFC3339)),
			"see the events of the database in RDS"))
	default:
		r.Add(problem.Warn("backups end with the retention of RDS", fmt.Sprintf("RDS forgets a point in time of %s after %d days, and all of them when the database is deleted", d.ID, d.Retention),
			`keep dumps of it besides, such as with database "postgresql" against its endpoint, or use method = "snapshot"`))
	}
	return r, nil
}

// Expect implements providers.Strategy.
func (s *Strategy) Expect(facts map[string]string) { s.expected = facts[factResource] }

// Prepare implements providers.Strategy: nothing of the backup's name is there when it is
// captured.
func (s *Strategy) Prepare(ctx context.Context, b providers.BackupID) error {
	if !s.config.Snapshot {
		return nil
	}
	return errors.Join(s.Sweep(ctx), s.Discard(ctx, b))
}

// Warm implements providers.Strategy.
func (s *Strategy) Warm(ctx context.Context) error {
	if err := s.aws.Refresh(ctx); err != nil {
		return err
	}
	d, err := s.database(ctx)
	switch {
	case err != nil:
		return err
	case s.expected != "" && d.Resource != s.expected:
		return problem.New("database is another one", fmt.Sprintf("%s is %s now, and was %s in the plan", d.ID, d.Resource, s.expected), "look at the database, then plan again")
	case s.config.Snapshot && d.Status != aws.Available:
		return problem.New("database is busy", fmt.Sprintf("%s is %s", d.ID, d.Status), "wait until its status is available, then run again")
	}
	s.class, err = s.classOf(ctx, d)
	return err
}

// classOf is the class of a database; of a cluster only its members have one.
func (s *Strategy) classOf(ctx context.Context, d aws.Database) (string, error) {
	if d.Class != "" || len(d.Members) == 0 {
		return d.Class, nil
	}
	member, _, err := s.aws.Databases(aws.Instances).Find(ctx, d.Members[0])
	return member.Class, err
}

// Capture implements providers.Strategy.
func (s *Strategy) Capture(ctx context.Context, b providers.BackupID) (providers.Artifact, error) {
	d, err := s.database(ctx)
	if err != nil {
		return providers.Artifact{}, err
	}
	a := providers.Artifact{
		Address: s.env.Address, Strategy: s.config.Name, Life: providers.Pending,
		Ref:   map[string]string{refBackup: string(b), refInstance: d.ID, refResource: d.Resource},
		Facts: map[string]string{factEngine: d.Engine, factVersion: d.Version},
	}
	if a.Ref[refLike], err = likeOf(d, s.class); err != nil {
		return providers.Artifact{}, err
	}
	if s.config.Snapshot {
		a.PointInTime = time.Now().UTC()
		a.Ref[refSnapshot] = s.snapshotName(b)
		return a, s.take(ctx, b)
	}
	began := time.Now().UTC()
	at, err := s.choose(ctx)
	if err != nil {
		return providers.Artifact{}, err
	}
	a.Ref[refTime] = at.Format(time.RFC3339)
	// By the clock of this machine, as of all parts; the margin may be cut by a clock that runs faster.
	a.PointInTime = began.Add(min(margin, time.Since(began)))
	return a, nil
}

// choose returns a time before which all was written, and after which nothing is yet: the
// lock holds on to it until it is past.
func (s *Strategy) choose(ctx context.Context) (time.Time, error) {
	now, err := s.aws.Clock(ctx)
	if err != nil {
		return time.Time{}, err
	}
	at := now.UTC().Truncate(time.Second).Add(margin)
	return at, aws.Wait(ctx, func() (bool, error) {
		now, err := s.aws.Clock(ctx)
		return !now.Before(at.Add(margin)), err
	})
}

// snapshotName is one that RDS takes, whatever the names of instance and block are.
func (s *Strategy) snapshotName(b providers.BackupID) string {
	sum := sha256.Sum256([]byte(string(b) + "\x00" + s.env.Address + "\x00" + s.config.Database))
	return fmt.Sprintf("bkp-%s-%x", b.Time().Format("20060102t150405z"), sum[:6])
}

// take begins a snapshot and waits until RDS has all that it takes: the database was seen to be backed
// up and is available again, or the snapshot is complete.
func (s *Strategy) take(ctx context.Context, b providers.BackupID) error {
	name := s.snapshotName(b)
	err := s.calls().TakeSnapshot(ctx, s.config.Database, name, map[string]string{tagBackup: string(b), tagAddress: s.env.Address})
	if err != nil && aws.Answered(err) {
		return err
	}
	if err != nil { // the reply may be lost, and nothing of this name was there before
		if failed := s.seen(ctx, name); failed != nil {
			return errors.Join(err, failed)
		}
	}
	busy := false
	var unseen aws.Unseen
	return aws.Wait(ctx, func() (bool, error) {
		d, err := s.database(ctx)
		if err != nil {
			return false, err
		}
		if busy && d.Status == aws.Available {
			return true, nil
		}
		busy = busy || d.Status != aws.Available
		return s.done(ctx, name, &unseen)
	})
}

// seen waits until RDS shows a snapshot.
func (s *Strategy) seen(ctx context.Context, name string) error {
	var unseen aws.Unseen
	return aws.Wait(ctx, func() (bool, error) {
		_, there, err := s.snapshot(ctx, name)
		if err == nil && unseen.Missing(there) {
			err = gone(name)
		}
		return there, err
	})
}

// done is complete for one that RDS may not show yet.
func (s *Strategy) done(ctx context.Context, name string, unseen *aws.Unseen) (bool, error) {
	_, there, err := s.snapshot(ctx, name)
	if err != nil || !there && !unseen.Missing(false) {
		return false, err
	}
	return s.complete(ctx, name)
}

// snapshot finds one by its name; false if it is not there.
func (s *Strategy) snapshot(ctx context.Context, name string) (aws.DatabaseSnapshot, bool, error) {
	list, err := s.calls().Snapshots(ctx, s.config.Database)
	i := slices.IndexFunc(list, func(one aws.DatabaseSnapshot) bool { return one.ID == name })
	if err != nil || i < 0 {
		return aws.DatabaseSnapshot{}, false, err
	}
	return list[i], true, nil
}

// complete reports whether a snapshot is complete.
func (s *Strategy) complete(ctx context.Context, name string) (bool, error) {
	one, there, err := s.snapshot(ctx, name)
	switch {
	case err != nil:
		return false, err
	case !there:
		return false, gone(name)
	case one.Status == "failed":
		return false, problem.New("snapshot failed", name+" of "+s.config.Database, "see the events of the database in RDS, and make another backup")
	}
	return one.Status == aws.Available, nil
}

func gone(name string) *problem.Problem {
	return problem.New("snapshot is missing", name+" is not there any more", "find out who removed it, such as a policy of the account; restore another backup, or make a new one")
}

// Finish implements providers.Strategy.
func (s *Strategy) Finish(ctx context.Context, a providers.Artifact) (providers.Artifact, error) {
	var at time.Time
	if a.Ref[refSnapshot] == "" {
		var err error
		if at, err = instantOf(a); err != nil {
			return a, err
		}
	}
	var unseen aws.Unseen
	err := aws.Wait(ctx, func() (bool, error) {
		if name := a.Ref[refSnapshot]; name != "" {
			return s.done(ctx, name, &unseen)
		}
		d, err := s.database(ctx)
		if err != nil {
			return false, err
		}
		if err := same(d, a); err != nil {
			return false, err
		}
		return d.Latest.After(at), nil
	})
	if err == nil {
		a.Life = providers.Native
	}
	return a, err
}

// same refuses another database of the name: its past is not that of the backup.
func same(d aws.Database, a providers.Artifact) error {
	if d.Resource == a.Ref[refResource] {
		return nil
	}
	return problem.New("database is another one", fmt.Sprintf("%s is %s now, and the backup is of %s", d.ID, d.Resource, a.Ref[refResource]), "restore another backup")
}

// Discard implements providers.Strategy: a snapshot that is not kept. RDS deletes none that it
// is still making; that one is marked, and a later Sweep deletes it. A point in time leaves
// nothing.
func (s *Strategy) Discard(ctx context.Context, b providers.BackupID) error {
	list, err := s.calls().Snapshots(ctx, s.config.Database)
	if err != nil {
		return err
	}
	for _, one := range list {
		if one.ID == s.snapshotName(b) && s.ours(one, b) && one.Tags[tagKept] == "" {
			err := s.calls().DeleteSnapshot(ctx, one.ID)
			if !aws.StillMade(err) {
				return err
			}
			return s.aws.TagDatabase(ctx, one.ARN, map[string]string{tagDoomed: "yes"})
		}
	}
	return nil
}

func (s *Strategy) ours(one aws.DatabaseSnapshot, b providers.BackupID) bool {
	return one.Tags[tagBackup] == string(b) && one.Tags[tagAddress] == s.env.Address
}

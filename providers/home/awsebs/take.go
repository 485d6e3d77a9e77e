package awsebs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bkp/internal/problem"
	"bkp/providers/home/internal/snapshot"
	"bkp/providers/internal/aws"
)

const (
	// callTimeout bounds the call under the lock. What it did is found out afterwards.
	callTimeout = 10 * time.Second
	// lookups is how often a set is looked for whose reply was lost.
	lookups = 6
	// attempts is how often a call is sent that Amazon answers with a limit of its
	// rate: it had no effect. In between pass more of firstPause each time.
	attempts       = 4
	throttlePauses = 3
	// firstPause is how long a second try waits.
	firstPause = 200 * time.Millisecond
	// clockStep is how exact the clocks of Amazon are that bkp sees.
	clockStep = 2 * time.Second
)

// Take implements snapshot.Storage.
func (s *storage) Take(ctx context.Context, tag snapshot.Tag, volumes []snapshot.Volume) ([]snapshot.Snapshot, error) {
	s.mu.Lock()
	request, skew := s.request, s.skew
	s.mu.Unlock()
	if request.Instance == "" {
		return nil, errors.New("the volumes were not looked up before the lock")
	}
	request.Tags = s.tags(tag)
	began := time.Now().Add(skew)
	made, err := s.takeAtRest(ctx, request, volumes)
	if err != nil && !aws.Answered(err) {
		made, err = s.adopt(ctx, tag, len(volumes), began, err)
	}
	if err != nil {
		return nil, err
	}
	return exactly(made, volumes)
}

// takeAtRest makes the call while the file systems are at rest.
func (s *storage) takeAtRest(ctx context.Context, request aws.Request, volumes []snapshot.Volume) (made []aws.Snapshot, err error) {
	if s.config.Freeze != freezeNone {
		if err := snapshot.Sync(ctx, volumes); err != nil {
			return nil, settled{err}
		}
	}
	if s.config.Freeze == freezeFull {
		thaw, failed := s.freeze(rootsOf(volumes))
		if failed != nil {
			return nil, settled{failed}
		}
		defer func() {
			if failed := thaw(); failed != nil {
				err = settled{errors.Join(err, failed)}
			}
		}()
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for try := range attempts {
		if failed := pauseBefore(ctx, try*throttlePauses); failed != nil {
			return nil, settled{errors.Join(err, failed)} // the last call was answered
		}
		made, err = s.aws.CreateSnapshots(ctx, request)
		if !aws.Throttled(err) {
			break
		}
	}
	return made, err
}

// settled is an error that stays one, whatever Amazon has of the set: nothing was asked
// for, or the file systems were not at rest.
type settled struct{ error }

func (s settled) Unwrap() error { return s.error }

// adopt looks for the set of a call whose reply was lost, which cause is the error of: complete,
// of so many volumes, and begun since the lock.
func (s *storage) adopt(ctx context.Context, tag snapshot.Tag, volumes int, began time.Time, cause error) ([]aws.Snapshot, error) {
	var final settled
	if errors.As(cause, &final) {
		return nil, final.error
	}
	var found []aws.Snapshot
	for try := range lookups {
		if err := pauseBefore(ctx, try); err != nil {
			return nil, errors.Join(cause, err)
		}
		all, err := s.aws.Snapshots(ctx, tagBackup)
		if err != nil {
			return nil, errors.Join(cause, err)
		}
		found = slices.DeleteFunc(all, func(one aws.Snapshot) bool { return tagOf(one.Tags) != tag })
		if len(found) >= volumes {
			break
		}
	}
	if len(found) == 0 {
		return nil, cause
	}
	for _, one := range found {
		if one.Started.Before(began.Add(-clockStep)) {
			return nil, errors.Join(cause, fmt.Errorf("%s was begun at %s, before the lock", one.ID, one.Started.Format(time.RFC3339)))
		}
	}
	return found, nil
}

// pauseBefore waits a moment before every try but the first.
func pauseBefore(ctx context.Context, try int) error {
	if try == 0 {
		return nil
	}
	t := time.NewTimer(time.Duration(try) * firstPause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// exactly refuses other snapshots than one of each volume: a volume that was attached or
// detached meanwhile.
func exactly(made []aws.Snapshot, volumes []snapshot.Volume) ([]snapshot.Snapshot, error) {
	var out []snapshot.Snapshot
	for _, v := range volumes {
		i := slices.IndexFunc(made, func(one aws.Snapshot) bool { return one.Volume == v.ID })
		if i < 0 {
			return nil, problem.New("volume was not captured", fmt.Sprintf("Amazon took no snapshot of %s", v.ID), "let nobody attach or detach volumes during a backup, then run again")
		}
		if err := usable(made[i]); err != nil {
			return nil, err
		}
		out = append(out, snapshotOf(made[i]))
	}
	if len(made) != len(volumes) {
		var names []string
		for _, one := range made {
			names = append(names, one.Volume)
		}
		return nil, problem.New("volumes of the machine changed", "snapshots were taken of "+strings.Join(names, ", "), "let nobody attach or detach volumes during a backup, then run again")
	}
	return out, nil
}

package shelf

import (
	"context"
	"errors"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/place"
)

// Rebuilding is how an archive of one format makes a manifest again.
type Rebuilding struct {
	// IsLost reports whether a backup has parts and no manifest.
	IsLost func(Backup) bool
	// Again reads all parts, and commits the backup if all is well with them.
	Again func(ctx context.Context, b Backup) error
}

// NeedsKey is the remedy for a backup that cannot be made good without a secret key.
const NeedsKey = "bring it back; or make it again from the parts, with the secret key of one of the recipients:\n\n    bkp list --refresh --identity FILE\n"

// Rebuild does what providers.Archiver says of it.
func (s Shelf) Rebuild(ctx context.Context, how Rebuilding) ([]providers.BackupID, []providers.Finding, error) {
	all, err := s.Backups(ctx)
	if err != nil {
		return nil, nil, err
	}
	var made []providers.BackupID
	var r providers.Report
	for _, b := range all {
		if !how.IsLost(b) {
			continue
		}
		done, err := s.rebuild(ctx, b, how)
		switch {
		case ctx.Err() != nil:
			return made, r.Findings, context.Cause(ctx)
		case errors.Is(err, place.ErrUnavailable):
			return made, r.Findings, err
		case errors.Is(err, providers.ErrNoIdentity):
			r.Add(problem.Wrapf(err, "manifest of an encrypted backup is lost", NeedsKey, "%s", s.Place.At(string(b.ID))))
		case err != nil:
			r.Add(problem.Wrapf(err, "manifest cannot be made again", RestoreOther, "%s", s.Place.At(string(b.ID))))
		case done:
			made = append(made, b.ID)
		}
	}
	return made, r.Findings, nil
}

// rebuild makes one manifest again, unless the backup is just being stored.
func (s Shelf) rebuild(ctx context.Context, b Backup, how Rebuilding) (done bool, err error) {
	by, err := s.Place.Claimed(ctx, b.ID)
	if err != nil || by != "" {
		return false, err
	}
	return true, how.Again(ctx, b)
}

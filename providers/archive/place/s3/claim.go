package s3

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"bkp/providers"
)

// mostHolder is how long the name of a holder may be.
const mostHolder = 8 << 10

// Claim implements place.Place.
func (s *Store) Claim(ctx context.Context, b providers.BackupID, holder string) (string, error) {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return "", err
	}
	for {
		err := s.create(ctx, claimName(b), func(w io.Writer) error { _, err := io.WriteString(w, holder); return err })
		if !errors.Is(err, fs.ErrExist) {
			return holder, err
		}
		by, err := s.Claimed(ctx, b)
		if err != nil || by != "" {
			return by, err
		} // it was given up just now
	}
}

// claimName is where it stands whose a backup is.
func claimName(b providers.BackupID) string { return "." + string(b) + ".reserved" }

// Claimed implements place.Place.
func (s *Store) Claimed(ctx context.Context, b providers.BackupID) (string, error) {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return "", err
	}
	by, err := s.read(ctx, claimName(b), mostHolder)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(by), err
}

// Unclaim implements place.Place.
func (s *Store) Unclaim(ctx context.Context, b providers.BackupID) error {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return err
	}
	name := claimName(b)
	return s.explain(ctx, "delete", name, s.hide(ctx, name))
}

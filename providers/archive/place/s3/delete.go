package s3

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"bkp/internal/problem"
	"bkp/providers/archive/place"
)

// Delete implements place.Place. In a bucket with versions it removes all of the
// object, so that it takes no space any more; one that the store keeps stays as it
// is, and is a problem.
func (s *Store) Delete(ctx context.Context, name string) error {
	if err := place.CheckName(name); err != nil {
		return err
	}
	return s.explain(ctx, "delete", name, s.remove(ctx, name))
}

func (s *Store) remove(ctx context.Context, name string) error {
	if !s.hasVersions(ctx) {
		return s.removeVersion(ctx, s.key(name), "")
	}
	versions, err := s.versionsOf(ctx, s.key(name))
	for _, v := range versions {
		if err != nil {
			break
		}
		if err = s.removeVersion(ctx, v.Key, v.VersionID); err != nil {
			err = s.locked(ctx, v, err)
		}
	}
	return err
}

// hide removes an object that the store may keep: then nobody sees it any more, and
// its version goes when its time has come.
func (s *Store) hide(ctx context.Context, name string) error {
	err := s.remove(ctx, name)
	if errors.Is(err, errKept) || codeOf(err) == "AccessDenied" {
		err = s.removeVersion(ctx, s.key(name), "")
	}
	return err
}

func (s *Store) removeVersion(ctx context.Context, key, version string) error {
	err := s.try(ctx, func() error {
		return s.core.RemoveObject(ctx, s.bucket, key, minio.RemoveObjectOptions{VersionID: version})
	})
	if err != nil && isMissing(err) {
		return nil
	}
	return err
}

// versionsOf are those of one object, the newest first. What hides it is one, too.
func (s *Store) versionsOf(ctx context.Context, key string) ([]minio.ObjectInfo, error) {
	var out []minio.ObjectInfo
	err := s.try(ctx, func() error {
		out = nil
		for o := range s.core.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: key, Recursive: true, WithVersions: true}) {
			switch {
			case o.Err != nil:
				return o.Err
			case o.Key > key:
				return nil
			case o.Key == key:
				out = append(out, o)
			}
		}
		return nil
	})
	// A marker is removed last: without it the version below would be seen again.
	slices.SortStableFunc(out, func(a, b minio.ObjectInfo) int {
		switch {
		case a.IsDeleteMarker == b.IsDeleteMarker:
			return 0
		case b.IsDeleteMarker:
			return -1
		}
		return 1
	})
	return out, s.explain(ctx, "list the versions of", key[len(s.prefix):], err)
}

// hasVersions reports whether removing an object may leave versions of it. Who may
// not ask sees none.
func (s *Store) hasVersions(ctx context.Context) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.versioned == nil {
		var v minio.BucketVersioningConfiguration
		err := s.try(ctx, func() (err error) { v, err = s.core.GetBucketVersioning(ctx, s.bucket); return err })
		if ctx.Err() != nil {
			return false
		}
		is := err == nil && (v.Enabled() || v.Suspended())
		s.versioned = &is
	}
	return *s.versioned
}

// errKept is wrapped by the problem of an object that is locked.
var errKept = errors.New("it is kept by object lock")

// locked explains why a version could not be removed, if it is locked. It asks by a
// look at the object: the answer to the call for that differs between stores.
func (s *Store) locked(ctx context.Context, v minio.ObjectInfo, failed error) error {
	var info minio.ObjectInfo
	err := s.try(ctx, func() (err error) {
		info, err = s.core.StatObject(ctx, s.bucket, v.Key, minio.StatObjectOptions{VersionID: v.VersionID})
		return err
	})
	if err != nil {
		return failed
	}
	until, err := time.Parse(time.RFC3339, info.Metadata.Get("X-Amz-Object-Lock-Retain-Until-Date"))
	mode, at := info.Metadata.Get("X-Amz-Object-Lock-Mode"), s.url(v.Key[len(s.prefix):])
	switch {
	case err == nil && time.Now().Before(until):
		return problem.Wrapf(errKept, "object is locked", "wait until then, and remove the backup again:\n\n    bkp prune\n",
			"%s is kept until %s, in mode %s", at, until.UTC().Format("2006-01-02 15:04 MST"), strings.ToLower(mode))
	case info.Metadata.Get("X-Amz-Object-Lock-Legal-Hold") == "ON":
		return problem.Wrapf(errKept, "object is held", "find out who holds it; remove the hold with a tool of the store, then remove the backup again:\n\n    bkp prune\n", "%s has a legal hold", at)
	}
	return failed
}

// Lock implements place.Locker.
func (s *Store) Lock(ctx context.Context, names []string) error {
	if s.cfg.Lock == nil {
		return nil
	}
	const atOnce = 8
	until := time.Now().AddDate(0, 0, s.cfg.Lock.Days)
	g, inGroup := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, name := range names {
		g.Go(func() error {
			if err := s.retain(inGroup, name, until); err != nil {
				return s.explain(inGroup, "lock", name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (s *Store) retain(ctx context.Context, name string, until time.Time) error {
	mode := minio.Governance
	if s.cfg.Lock.Mode == compliance {
		mode = minio.Compliance
	}
	return s.try(ctx, func() error {
		return s.core.PutObjectRetention(ctx, s.bucket, s.key(name), minio.PutObjectRetentionOptions{Mode: &mode, RetainUntilDate: &until})
	})
}

package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"bkp/internal/problem"
	"bkp/providers"
)

// probePrefix is of the objects that Check makes and removes.
const probePrefix = ".bkp-probe-"

// Check implements place.Place. What a store can do shows only when it is done: an
// object of a name of its own is made, made again, read and removed.
func (s *Store) Check(ctx context.Context, maker string) (providers.Report, error) {
	r := providers.Report{Facts: map[string]string{"destination": s.Destination().Name}}
	creds, err := s.core.GetCreds()
	if err != nil || creds.AccessKeyID == "" {
		r.Add(problem.New("no keys for the object store", "neither the block nor the environment, a profile or the machine's role has any", seeKeys))
		return r, nil
	}
	own := probesOf(maker)
	name := own + rand.Text()
	s = s.impatient()
	err = s.probe(ctx, &r, name)
	if err == nil {
		err = s.removeProbes(ctx, own, name)
	}
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	removed := s.explain(clean, "delete", name, s.hide(clean, name))
	if err == nil {
		err = removed
	}
	if ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	var known *problem.Problem
	if errors.As(err, &known) {
		r.Add(known)
		err = nil
	}
	return r, err
}

// probesOf is what the names of a maker's probes begin with.
func probesOf(maker string) string {
	sum := sha256.Sum256([]byte(maker))
	return probePrefix + hex.EncodeToString(sum[:8]) + "-"
}

// probe holds the store to what a place needs. An error is what ends it.
func (s *Store) probe(ctx context.Context, r *providers.Report, name string) error {
	if err := s.each(ctx, minio.ListObjectsOptions{Prefix: s.key(name), Recursive: true}, func(minio.ObjectInfo) {}); err != nil {
		return s.explain(ctx, "list", "", err)
	}
	text := []byte("bkp was here, and removes this at once.\n")
	write := func(w io.Writer) error { _, err := w.Write(text); return err }
	if err := s.create(ctx, name, write); err != nil {
		return err
	}
	if err := s.create(ctx, name, write); !errors.Is(err, fs.ErrExist) {
		if err == nil {
			err = problem.New("object store has no conditional writes", s.Destination().Name+" let an object be overwritten that was to be made only if it was not there (If-None-Match)",
				"use a store or a version of it that has them: without, two machines could write the same backup")
		}
		return err
	}
	if got, err := s.read(ctx, name, -1); err != nil || !bytes.Equal(got, text) {
		if err == nil {
			err = problem.New("object store returns something else", fmt.Sprintf("%d bytes were written to %s, and %d other ones read", len(text), s.url(name), len(got)), "see what lies between this machine and the store")
		}
		return err
	}
	if err := s.probeParts(ctx, r, name); err != nil {
		return err
	}
	return s.probeLock(ctx, r)
}

// removeProbes removes what earlier checks left that were killed: objects and unfinished
// uploads whose names begin with own, made long before the object name of this check.
// Younger ones may be of a check that goes on beside this one. All times are the store's.
func (s *Store) removeProbes(ctx context.Context, own, name string) error {
	now, err := s.stat(ctx, s.key(name))
	if err != nil {
		return s.explain(ctx, "read", name, err)
	}
	isLeft := func(key string, made time.Time) bool {
		return key != s.key(name) && now.LastModified.Sub(made) >= s.limits.abandoned
	}
	var left []string
	err = s.each(ctx, minio.ListObjectsOptions{Prefix: s.key(own), Recursive: true}, func(o minio.ObjectInfo) {
		if isLeft(o.Key, o.LastModified) {
			left = append(left, strings.TrimPrefix(o.Key, s.prefix))
		}
	})
	if err != nil {
		return s.explain(ctx, "list", own, err)
	}
	for _, n := range left {
		if err := s.hide(ctx, n); err != nil {
			return s.explain(ctx, "delete", n, err)
		}
	}
	uploads, err := s.unfinished(ctx, s.key(own))
	for _, u := range uploads {
		if err == nil && isLeft(u.Key, u.Initiated) {
			err = s.abort(ctx, u.Key, u.UploadID)
		}
	}
	return s.explain(ctx, "abort unfinished uploads of", own, err)
}

// probeParts uploads in parts what is there already, which must be refused.
func (s *Store) probeParts(ctx context.Context, r *providers.Report, name string) error {
	u := s.newUpload(ctx, name)
	_, err := u.Write([]byte("parts"))
	if err == nil {
		err = u.send()
	}
	if err == nil {
		left, failed := s.unfinished(ctx, u.key)
		if failed != nil || len(left) == 0 {
			r.Add(problem.Warn("unfinished uploads cannot be found", fmt.Sprintf("%s does not list an upload that was begun", s.Destination().Name),
				"let a rule of the bucket abort unfinished uploads after a few days: those of runs that were killed stay, and cost money"))
		}
		err = u.finish()
	}
	u.abort()
	switch {
	case err == nil:
		r.Add(problem.Warn("object store has conditional writes for small objects only", s.Destination().Name+" let an object be overwritten by an upload in parts",
			"let nobody but bkp write below the prefix"))
	case errors.Is(err, fs.ErrExist):
	default:
		return s.explain(ctx, "write in parts", name, err)
	}
	return nil
}

// probeLock compares the bucket's object lock with the block's.
func (s *Store) probeLock(ctx context.Context, r *providers.Report) error {
	var enabled string
	var mode *minio.RetentionMode
	err := s.try(ctx, func() (err error) {
		enabled, mode, _, _, err = s.core.GetObjectLockConfig(ctx, s.bucket)
		return err
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	switch {
	case s.cfg.Lock == nil && err == nil && mode != nil && *mode != "":
		r.Add(problem.Warn("bucket locks all that is written", "every object of bucket "+s.bucket+" is kept for a time, also what a run leaves that fails, and the marks of plans and runs",
			"remove the default retention from the bucket and set lock in this block, which locks complete backups alone"))
	case s.cfg.Lock == nil || err == nil && enabled == "Enabled":
	case err != nil && codeOf(err) != "ObjectLockConfigurationNotFoundError" && codeOf(err) != "NoSuchObjectLockConfiguration":
		return s.explain(ctx, "read the object lock of", "", err)
	default:
		r.Add(problem.New("bucket has no object lock", "lock is set, and bucket "+s.bucket+" has object lock not enabled", "enable it, or use a bucket that has it; it needs versions"))
	}
	return nil
}

package s3

import (
	"context"
	"strings"

	"github.com/minio/minio-go/v7"

	"bkp/providers"
	"bkp/providers/archive/place"
)

// List implements place.Place. What lies below the prefix and is no backup
// is left out: a bucket may be shared.
func (s *Store) List(ctx context.Context, b providers.BackupID) ([]place.Object, error) {
	prefix := ""
	if b != "" {
		if _, err := providers.ParseBackupID(string(b)); err != nil {
			return nil, err
		}
		prefix = string(b) + "/"
	}
	var out []place.Object
	err := s.impatient().each(ctx, minio.ListObjectsOptions{Prefix: s.key(prefix), Recursive: true}, func(o minio.ObjectInfo) {
		name := strings.TrimPrefix(o.Key, s.prefix)
		if place.CheckName(name) == nil {
			out = append(out, place.Object{Name: name, Bytes: o.Size})
		}
	})
	if err != nil {
		return nil, s.explain(ctx, "list", prefix, err)
	}
	place.SortByName(out)
	return out, nil
}

// each calls visit for each object of a listing. One that fails in between goes on
// where it was.
func (s *Store) each(ctx context.Context, opts minio.ListObjectsOptions, visit func(minio.ObjectInfo)) error {
	return s.try(ctx, func() error {
		for o := range s.core.ListObjectsIter(ctx, s.bucket, opts) {
			if o.Err != nil {
				return o.Err
			}
			visit(o)
			opts.StartAfter = o.Key
		}
		return nil
	})
}

// Clean implements place.Place: it aborts uploads that were not finished.
func (s *Store) Clean(ctx context.Context, b providers.BackupID) error {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return err
	}
	name := string(b) + "/"
	left, err := s.unfinished(ctx, s.key(name))
	for _, u := range left {
		if err == nil {
			err = s.abort(ctx, u.Key, u.UploadID)
		}
	}
	return s.explain(ctx, "abort unfinished uploads of", name, err)
}

// unfinished are the uploads below a prefix that were begun.
func (s *Store) unfinished(ctx context.Context, prefix string) ([]minio.ObjectMultipartInfo, error) {
	var out []minio.ObjectMultipartInfo
	err := s.try(ctx, func() error {
		var failed error
		out = nil
		for u := range s.core.ListIncompleteUploads(ctx, s.bucket, prefix, true) { // read to its end: else its goroutine stays
			if u.Err != nil {
				failed = u.Err
			} else {
				out = append(out, u)
			}
		}
		return failed
	})
	if codeOf(err) == "NoSuchUpload" { // what one store answers without any
		return nil, nil
	}
	return out, err
}

// abort ends an upload, and removes what was sent. Idempotent.
func (s *Store) abort(ctx context.Context, key, id string) error {
	err := s.try(ctx, func() error { return s.core.AbortMultipartUpload(ctx, s.bucket, key, id) })
	if codeOf(err) == "NoSuchUpload" {
		return nil
	}
	return err
}

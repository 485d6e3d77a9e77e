package s3

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"bkp/internal/lab/bucket"
	"bkp/internal/problem"
	"bkp/providers/archive/place"
)

func locking(c *Config) { c.Lock = &Lock{Mode: governance, Days: 1} }

// TestBedLockedObjectsStay, and what is not locked goes with all of its versions.
func TestBedLockedObjectsStay(t *testing.T) {
	b := bucket.Real(t, bucket.Options{Lock: true})
	s := at(t, b, locking)
	kept, other := place.Name(id, "kept"), place.Name(id, "other")
	put(t, s, kept, "kept")
	put(t, s, other, "other")
	must(t, s.Lock(t.Context(), []string{kept}), s.Delete(t.Context(), other))
	err := s.Delete(t.Context(), kept)
	var p *problem.Problem
	until := time.Now().AddDate(0, 0, 1).UTC().Format("2006-01-02")
	if !errors.As(err, &p) || p.Summary != "object is locked" || !strings.Contains(p.Detail, "kept until "+until) || p.Remedy == "" {
		t.Errorf("delete: %v", err)
	}
	r, err := s.Open(t.Context(), kept, 0, -1)
	must(t, err)
	if text, err := io.ReadAll(r); err != nil || string(text) != "kept" {
		t.Errorf("it is %q, %v", text, err)
	}
	must(t, r.Close())
	for v := range b.Client.ListObjectsIter(t.Context(), b.Name, minio.ListObjectsOptions{Recursive: true, WithVersions: true}) {
		if v.Err != nil || !strings.HasSuffix(v.Key, kept) {
			t.Errorf("left: %+v", v)
		}
	}
}

func TestBedCheckOfObjectLock(t *testing.T) {
	for name, c := range map[string]struct {
		bucket bucket.Options
		set    func(*Config)
		rule   bool
		want   string
	}{
		"no lock wanted":         {bucket.Options{}, nil, false, ""},
		"wanted and there":       {bucket.Options{Lock: true}, locking, false, ""},
		"wanted and not there":   {bucket.Options{}, locking, false, "bucket has no object lock"},
		"there and not wanted":   {bucket.Options{Lock: true}, nil, false, ""},
		"all that is written is": {bucket.Options{Lock: true}, nil, true, "bucket locks all that is written"},
	} {
		t.Run(name, func(t *testing.T) {
			b := bucket.Real(t, c.bucket)
			if c.rule {
				mode, days, unit := minio.Governance, uint(1), minio.Days
				must(t, b.Client.SetBucketObjectLockConfig(t.Context(), b.Name, &mode, &days, &unit))
			}
			s := at(t, b, c.set)
			r, err := s.Check(t.Context(), "bkp:test")
			must(t, err)
			if c.want == "" && len(r.Findings) > 0 || c.want != "" && (len(r.Findings) != 1 || r.Findings[0].Summary != c.want) {
				t.Errorf("%+v", r.Findings)
			}
			if left := b.Keys(t); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
			// Claims come and go in any bucket.
			_, err = s.Claim(t.Context(), id, "me")
			must(t, err, s.Unclaim(t.Context(), id))
			if c.rule {
				return // versitygw lets nothing be made again where a version is only hidden
			}
			by, err := s.Claim(t.Context(), id, "another")
			if err != nil || by != "another" {
				t.Errorf("%q, %v", by, err)
			}
		})
	}
}

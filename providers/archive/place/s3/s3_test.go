package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"bkp/internal/lab/bucket"
	"bkp/internal/secret"
	"bkp/providers/archive/place"
	"bkp/providers/archive/place/placetest"
)

const id = placetest.ID

// quick takes 30 MiB, and gives up soon.
var quick = limits{part: 5 << 20, buffers: 6, patience: 20 * time.Second, silence: time.Second, abandoned: time.Hour}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// at opens a place below a prefix of a bucket.
func at(t *testing.T, b bucket.Bucket, set func(*Config)) *Store {
	t.Helper()
	cfg := Defaults()
	cfg.Endpoint, cfg.PathStyle, cfg.AccessKey, cfg.SecretKey = b.Endpoint, true, bucket.AccessKey, secret.New(bucket.SecretKey)
	if set != nil {
		set(&cfg)
	}
	if problems := cfg.Validate(b.Address("some/prefix")); len(problems) > 0 {
		t.Fatal(problems)
	}
	s, err := open(b.Address("some/prefix"), cfg, quick)
	must(t, err)
	return s
}

func put(t *testing.T, s *Store, name, text string) {
	t.Helper()
	must(t, s.Create(t.Context(), name, func(w io.Writer) error { _, err := io.WriteString(w, text); return err }))
}

func TestPlace(t *testing.T) {
	placetest.Run(t, func(t *testing.T) placetest.Harness { return harness(bucket.Fake(t), nil) })
}

func TestBedPlace(t *testing.T) {
	for _, checksums := range []string{crc32c, md5sum, none} {
		t.Run(checksums, func(t *testing.T) {
			placetest.Run(t, func(t *testing.T) placetest.Harness {
				return harness(bucket.Real(t, bucket.Options{}), func(c *Config) { c.Checksums = checksums })
			})
		})
	}
	t.Run("versions", func(t *testing.T) {
		placetest.Run(t, func(t *testing.T) placetest.Harness { return harness(bucket.Real(t, bucket.Options{Lock: true}), nil) })
	})
}

func harness(b bucket.Bucket, set func(*Config)) placetest.Harness {
	return placetest.Harness{
		Open: func(t *testing.T) place.Place { return at(t, b, set) },
		Litter: func(t *testing.T, name string) {
			s := at(t, b, set)
			id, err := s.core.NewMultipartUpload(t.Context(), s.bucket, s.key(name), minio.PutObjectOptions{})
			must(t, err)
			_, err = s.core.PutObjectPart(t.Context(), s.bucket, s.key(name), id, 1, strings.NewReader("half"), 4, minio.PutObjectPartOptions{})
			must(t, err)
		},
	}
}

// TestLargeObjects have several parts, and what is read of them begins anywhere.
func TestLargeObjects(t *testing.T) { largeObjects(t, at(t, bucket.Fake(t), nil)) }

func TestBedLargeObjects(t *testing.T) {
	largeObjects(t, at(t, bucket.Real(t, bucket.Options{}), nil))
}

func largeObjects(t *testing.T, s *Store) {
	for i, size := range []int{0, 1, quick.part - 1, quick.part, quick.part + 1, 3 * quick.part, 3*quick.part + 17} {
		text, name := numbered(size), place.Name(id, fmt.Sprint(i))
		put(t, s, name, text)
		for _, c := range []struct{ offset, length int64 }{{0, -1}, {1, -1}, {int64(quick.part) - 3, 7}, {int64(size) - 1, 10}} {
			if c.offset < 0 {
				continue
			}
			want := text[min(int(c.offset), size):]
			if c.length >= 0 {
				want = want[:min(int(c.length), len(want))]
			}
			r, err := s.Open(t.Context(), name, c.offset, c.length)
			must(t, err)
			got, err := io.ReadAll(r)
			must(t, err, r.Close())
			if string(got) != want {
				t.Errorf("%d bytes from %d of %d: %d came", c.length, c.offset, size, len(got))
			}
		}
	}
	allFree(t, s)
}

// numbered is a text in which no two places look the same.
func numbered(size int) string {
	var b strings.Builder
	for b.Len() < size {
		fmt.Fprintf(&b, "%d ", b.Len())
	}
	return b.String()[:size]
}

// allFree expects that no buffer is lost.
func allFree(t *testing.T, s *Store) {
	t.Helper()
	if n := len(s.buffers); n != s.limits.buffers {
		t.Errorf("%d of %d buffers are free", n, s.limits.buffers)
	}
}

// TestAReaderThatIsNotReadOn gives back what it fetched ahead.
func TestAReaderThatIsNotReadOn(t *testing.T) {
	s := at(t, bucket.Fake(t), nil)
	name := place.Name(id, "large")
	put(t, s, name, numbered(6*quick.part))
	for _, read := range []int64{0, 1, int64(quick.part), int64(quick.part) + 1} {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := s.Open(ctx, name, 0, -1)
		must(t, err)
		_, err = io.CopyN(io.Discard, r, read)
		must(t, err)
		cancel()
		if n, err := r.Read(make([]byte, 1)); n > 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("read %d bytes, %v", n, err)
		}
		must(t, r.Close())
		allFree(t, s)
	}
}

// TestAWriteThatFailsLeavesNothing, however far it came.
func TestAWriteThatFailsLeavesNothing(t *testing.T) { failedWrites(t, bucket.Fake(t)) }

func TestBedAWriteThatFailsLeavesNothing(t *testing.T) {
	failedWrites(t, bucket.Real(t, bucket.Options{}))
}

func failedWrites(t *testing.T, b bucket.Bucket) {
	s, boom := at(t, b, nil), errors.New("boom")
	for _, size := range []int{0, 10, quick.part, quick.part + 1, 4*quick.part + 1} {
		err := s.Create(t.Context(), place.Name(id, "one"), func(w io.Writer) error {
			_, err := io.WriteString(w, numbered(size))
			return errors.Join(err, boom)
		})
		if !errors.Is(err, boom) {
			t.Errorf("%d bytes: %v", size, err)
		}
		if left := b.Keys(t); len(left) > 0 {
			t.Errorf("%d bytes: left %q", size, left)
		}
	}
	allFree(t, s)
}

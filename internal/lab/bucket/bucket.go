// Package bucket makes buckets of object stores for tests: of an S3 server of its own
// process, and of one in the process of the test. Its proxy disturbs what is between
// bkp and a store.
package bucket

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"bkp/internal/lab/bed"
)

// Keys of every store here.
const (
	AccessKey = "AKIABKPTESTBKPTEST"
	SecretKey = "a secret of the store"
	Region    = "us-east-1"
)

// Bucket is one of a store that runs until the end of the test.
type Bucket struct {
	Name string
	// Endpoint is the URL of its store.
	Endpoint string
	// Client asks the store directly.
	Client *minio.Client
}

// Options are what a bucket can do.
type Options struct{ Lock bool }

// Fake makes a bucket of a store in this process. It knows no object lock.
func Fake(t testing.TB) Bucket {
	t.Helper()
	server := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	t.Cleanup(server.Close)
	return Make(t, server.URL, Options{})
}

// Real makes a bucket of versitygw, which make beds builds, on a folder. Without it
// the test is skipped.
func Real(t testing.TB, o Options) Bucket {
	t.Helper()
	return Make(t, Serve(t, t.TempDir()), o)
}

// Serve starts versitygw on a folder, and returns its endpoint.
func Serve(t testing.TB, dir string) string {
	t.Helper()
	program := bed.Tool(t, "versitygw")
	data, versions := filepath.Join(dir, "data"), filepath.Join(dir, "versions")
	for _, d := range []string{data, versions} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	address := freeAddress(t)
	ctx, cancel := context.WithCancel(context.Background())
	server := exec.CommandContext(ctx, program, "--port", address, "--region", Region, "--quiet", "--keep-alive", "posix", "--versioning-dir", versions, data)
	server.Env = []string{"ROOT_ACCESS_KEY=" + AccessKey, "ROOT_SECRET_KEY=" + SecretKey, "PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = server.Wait() // killed
		_ = log.Close()
	})
	return "http://" + address
}

// freeAddress is one that nobody listens at.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// Make makes a bucket once the store answers.
func Make(t testing.TB, endpoint string, o Options) Bucket {
	t.Helper()
	b := Bucket{Name: "backups", Endpoint: endpoint, Client: Dial(t, endpoint)}
	// The client tries again until the server listens.
	if err := b.Client.MakeBucket(t.Context(), b.Name, minio.MakeBucketOptions{Region: Region, ObjectLocking: o.Lock}); err != nil {
		t.Fatal(err)
	}
	return b
}

// Dial returns a client of a store.
func Dial(t testing.TB, endpoint string) *minio.Client {
	t.Helper()
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	const tries = 40 // of at most a second each
	c, err := minio.New(u.Host, &minio.Options{
		Creds: credentials.NewStaticV4(AccessKey, SecretKey, ""), Region: Region, BucketLookup: minio.BucketLookupPath, MaxRetries: tries,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Address of a prefix in the bucket, for a destination.
func (b Bucket) Address(prefix string) string { return fmt.Sprintf("s3://%s/%s", b.Name, prefix) }

// Keys are the names of all objects, and of unfinished uploads with a mark.
func (b Bucket) Keys(t testing.TB) []string {
	t.Helper()
	out := []string{}
	for o := range b.Client.ListObjectsIter(t.Context(), b.Name, minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		out = append(out, o.Key)
	}
	for u := range b.Client.ListIncompleteUploads(t.Context(), b.Name, "", true) {
		if minio.ToErrorResponse(u.Err).Code == "NoSuchUpload" { // what the fake answers without any
			continue
		}
		if u.Err != nil {
			t.Fatal(u.Err)
		}
		out = append(out, "unfinished "+u.Key)
	}
	return out
}

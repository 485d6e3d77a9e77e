package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"bkp/internal/lab/torture/trace"
	"bkp/internal/records/catalog"
)

// The kinds of archive of a scene: a folder, a bucket of a store in this process, a
// repository of restic in a folder.
const (
	inFolder = ""
	inBucket = "s3"
	inRestic = "restic"
)

// archive is where the backups of a scene lie.
type archive interface {
	// address is that of the block in the configuration.
	address() string
	block() string
	env() []string
	// holds reports whether there is a backup.
	holds(ctx context.Context) (bool, error)
	// judge judges what lies there: of every backup that is listed all, and nothing else.
	judge(ctx context.Context, o *outcome, listed []catalog.Entry) error
	// target names what an effect on the network is about, "" for what is none of it.
	target(e trace.Effect) string
	clear(ctx context.Context) error
	close()
}

func (c *scene) openArchive(kind string) (archive, error) {
	switch kind {
	case inBucket:
		return openBucket()
	case inRestic:
		return &repository{dir: c.archives(), program: c.site.restic}, nil
	default:
		return &folder{dir: c.archives()}, nil
	}
}

// folder keeps archives of tar.
type folder struct{ dir string }

func (*folder) address() string            { return "archive.tar.local" }
func (*folder) block() string              { return `archive "tar" "local" { destination = "archives" }` }
func (*folder) env() []string              { return nil }
func (*folder) target(trace.Effect) string { return "" }
func (*folder) close()                     {}

func (f *folder) clear(context.Context) error {
	return errors.Join(os.RemoveAll(f.dir), os.MkdirAll(f.dir, 0o700))
}

func (f *folder) holds(context.Context) (bool, error) {
	found, err := filepath.Glob(filepath.Join(f.dir, "*", "manifest.json"))
	return len(found) > 0, err
}

func (f *folder) judge(_ context.Context, o *outcome, listed []catalog.Entry) error {
	expected := objectsOf(listed)
	for location := range located(listed) {
		expected[location] = true
	}
	var there []string
	err := filepath.WalkDir(f.dir, func(path string, _ os.DirEntry, err error) error {
		if err == nil && path != f.dir {
			there = append(there, path)
		}
		return err
	})
	o.compare(expected, there)
	return err
}

// located are where the listed backups lie.
func located(listed []catalog.Entry) map[string]bool {
	out := map[string]bool{}
	for _, e := range listed {
		for _, st := range e.Manifest.Stored {
			out[st.Location] = true
		}
	}
	return out
}

// objectsOf are the objects that the listed backups are to have.
func objectsOf(listed []catalog.Entry) map[string]bool {
	out := map[string]bool{}
	for _, e := range listed {
		for _, st := range e.Manifest.Stored {
			out[st.Location+"/manifest.json"] = true
			for _, p := range st.Parts {
				for _, object := range p.Objects {
					out[st.Location+"/"+object.Name] = true
				}
			}
		}
	}
	return out
}

// compare judges what is there by what is expected.
func (o *outcome) compare(expected map[string]bool, there []string) {
	for _, name := range there {
		if !expected[name] {
			o.broken(tidy, "%s", name)
		}
		delete(expected, name)
	}
	for name := range expected {
		o.broken(restores, "%s is not there", name)
	}
}

// bucket keeps archives of tar in a store.
type bucket struct {
	server *httptest.Server
	client *minio.Client
	port   int
}

const (
	bucketName   = "torture"
	bucketKey    = "AKIABKPTORTUREBKPT"
	bucketSecret = "a secret of the store"
)

func openBucket() (*bucket, error) {
	store := s3mem.New()
	if err := store.CreateBucket(bucketName); err != nil {
		return nil, err
	}
	b := &bucket{server: httptest.NewServer(gofakes3.New(store).Server())}
	b.port = b.server.Listener.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // it is one
	var err error
	b.client, err = minio.New(b.server.Listener.Addr().String(), &minio.Options{
		Creds: credentials.NewStaticV4(bucketKey, bucketSecret, ""), Region: "us-east-1", BucketLookup: minio.BucketLookupPath,
	})
	return b, err
}

func (*bucket) address() string { return "archive.tar.local" }

func (b *bucket) block() string {
	return fmt.Sprintf(`archive "tar" "local" {
  destination = "s3://%s/prefix"
  endpoint    = %q
  path_style  = true
  access_key  = %q
  secret_key  = env("TORTURE_STORE")
}`, bucketName, b.server.URL, bucketKey)
}

func (*bucket) env() []string { return []string{"TORTURE_STORE=" + bucketSecret} }
func (b *bucket) close()      { b.server.Close() }

// names are all objects, and unfinished uploads with a mark.
func (b *bucket) names(ctx context.Context) ([]string, error) {
	var out []string
	for o := range b.client.ListObjectsIter(ctx, bucketName, minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			return nil, o.Err
		}
		out = append(out, o.Key)
	}
	for u := range b.client.ListIncompleteUploads(ctx, bucketName, "", true) {
		if minio.ToErrorResponse(u.Err).Code == "NoSuchUpload" { // what the store answers without any
			continue
		}
		if u.Err != nil {
			return nil, u.Err
		}
		out = append(out, "unfinished "+u.Key)
	}
	return out, nil
}

func (b *bucket) holds(ctx context.Context) (bool, error) {
	names, err := b.names(ctx)
	return slices.ContainsFunc(names, func(name string) bool { return strings.HasSuffix(name, "/manifest.json") }), err
}

func (b *bucket) judge(ctx context.Context, o *outcome, listed []catalog.Entry) error {
	names, err := b.names(ctx)
	if err != nil {
		return err
	}
	// What a check left that was killed is removed by one an hour later.
	names = slices.DeleteFunc(names, anyProbe.MatchString)
	for i := range names {
		names[i] = b.server.URL + "/" + bucketName + "/" + names[i]
	}
	o.compare(objectsOf(listed), names)
	return nil
}

// target names a request by its path. The path of an upload is that of its object.
func (b *bucket) target(e trace.Effect) string {
	if e.Target != fmt.Sprintf("tcp:%d", b.port) {
		return ""
	}
	if e.Call == "connect" {
		return "store"
	}
	method, _, _ := bytes.Cut(e.Data, []byte(" "))
	if !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete}, string(method)) {
		return "store:body"
	}
	return "store" + generic(request(e.Data))
}

func (b *bucket) clear(ctx context.Context) error {
	names, err := b.names(ctx)
	for _, name := range names {
		err = errors.Join(err, b.client.RemoveObject(ctx, bucketName, name, minio.RemoveObjectOptions{}))
	}
	return err
}

// repository keeps archives of restic.
type repository struct{ dir, program string }

const resticPassword = "the password of the repository"

func (*repository) address() string            { return "archive.restic.local" }
func (*repository) target(trace.Effect) string { return "" }
func (*repository) close()                     {}
func (*repository) env() []string              { return []string{"TORTURE_REPOSITORY=" + resticPassword} }

func (r *repository) at() string { return filepath.Join(r.dir, "repository") }

func (r *repository) block() string {
	return fmt.Sprintf(`archive "restic" "local" {
  repository = %q
  password   = env("TORTURE_REPOSITORY")
  binary     = %q
  init       = true
}`, r.at(), r.program)
}

func (r *repository) clear(context.Context) error {
	return errors.Join(os.RemoveAll(r.dir), os.MkdirAll(r.dir, 0o700))
}

// tags are those of each snapshot.
func (r *repository) tags(ctx context.Context) ([][]string, error) {
	if _, err := os.Stat(filepath.Join(r.at(), "config")); err != nil {
		return nil, nil //nolint:nilerr // no backup has been made
	}
	cmd := exec.CommandContext(ctx, r.program, "snapshots", "--json", "--no-lock", "--no-cache")
	cmd.Env = []string{"RESTIC_REPOSITORY=" + r.at(), "RESTIC_PASSWORD=" + resticPassword, "HOME=" + r.dir}
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("restic snapshots: %w", err)
	}
	var all []struct {
		Tags []string `json:"tags"`
	}
	if err := json.Unmarshal(out, &all); err != nil {
		return nil, err
	}
	tags := make([][]string, len(all))
	for i, s := range all {
		tags[i] = s.Tags
	}
	return tags, nil
}

func (r *repository) holds(ctx context.Context) (bool, error) {
	all, err := r.tags(ctx)
	return slices.ContainsFunc(all, func(tags []string) bool { return slices.Contains(tags, "bkp:manifest") }), err
}

// judge expects snapshots of listed backups alone, one manifest of each and no
// reservation. Data that no snapshot needs is removed by bkp prune, and locks of
// processes that are gone when snapshots are removed the next time.
func (r *repository) judge(ctx context.Context, o *outcome, listed []catalog.Entry) error {
	all, err := r.tags(ctx)
	if err != nil {
		return err
	}
	manifests := map[string]bool{}
	for _, e := range listed {
		if len(e.Manifest.Stored) > 0 {
			manifests["bkp:"+string(e.Manifest.ID)] = true
		}
	}
	known := func(tag string) bool { return manifests[tag] }
	var there []string
	for _, tags := range all {
		if !slices.ContainsFunc(tags, known) || slices.Contains(tags, "bkp:reserved") {
			o.broken(tidy, "a snapshot with the tags %q", tags)
			continue
		}
		if slices.Contains(tags, "bkp:manifest") {
			there = append(there, tags[slices.IndexFunc(tags, known)])
		}
	}
	o.compare(manifests, there)
	return nil
}

package tar

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bkp/internal/lab/bucket"
	"bkp/internal/secret"
	"bkp/providers"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/internal/shelf"
	"bkp/providers/archive/place"
	"bkp/providers/archive/place/s3"
	"bkp/providers/providertest"
)

// inBucket sets where a bucket is.
func inBucket(b bucket.Bucket) func(*Config) {
	return func(c *Config) {
		c.Config = s3.Defaults()
		c.Endpoint, c.PathStyle, c.AccessKey, c.SecretKey = b.Endpoint, true, bucket.AccessKey, secret.New(bucket.SecretKey)
		c.PieceSize = "5MiB"
	}
}

// TestBedArchiverInABucket damages objects behind the back of the store, which has
// them in a folder.
func TestBedArchiverInABucket(t *testing.T) {
	providertest.RunArchiver(t, func(t *testing.T) providertest.Shelf {
		s := newSuite(t, "zstd")
		dir := t.TempDir()
		s.bucket = bucket.Make(t, bucket.Serve(t, dir), bucket.Options{})
		s.destination, s.folder = s.bucket.Address("some/prefix"), filepath.Join(dir, "data", s.bucket.Name, "some", "prefix")
		return s.shelf()
	})
}

// large is a tree that several objects are needed for.
func large(t *testing.T) string {
	t.Helper()
	tree := filepath.Join(t.TempDir(), "home")
	write(t, filepath.Join(tree, "small"), "small")
	f, err := os.Create(filepath.Join(tree, "random"))
	must(t, err)
	random := rand.NewChaCha8([32]byte{1})
	_, err = io.CopyN(f, random, 12<<20)
	must(t, err, f.Close())
	return tree
}

// TestABackupInABucket is stored in several objects, and all comes back.
func TestABackupInABucket(t *testing.T) {
	b, tree := bucket.Fake(t), large(t)
	a := open(t, b.Address("deep/prefix"), inBucket(b))
	m := store(t, a, map[string]string{artifact: tree, "database.embedded.x": ""})
	prefix := "deep/prefix/" + string(id) + "/"
	want := []string{prefix + artifact + ".tar.zst", prefix + artifact + ".tar.zst.00002", prefix + artifact + ".tar.zst.00003", prefix + shelf.ManifestObject}
	if got := b.Keys(t); !slices.Equal(got, want) {
		t.Fatalf("the bucket has %q", got)
	}
	if at := m.Stored[0].Location; at != b.Endpoint+"/"+b.Name+"/deep/prefix/"+string(id) {
		t.Errorf("it lies at %s", at)
	}
	list, findings, err := open(t, b.Address("deep/prefix"), inBucket(b)).List(t.Context())
	if err != nil || len(findings) > 0 || len(list) != 1 || !document.Same(list[0], listed(m)) {
		t.Fatalf("%v %v %v", list, findings, err)
	}
	if findings, err := a.Verify(t.Context(), id); err != nil || len(findings) > 0 {
		t.Errorf("%v %v", findings, err)
	}
	got, err := a.Fetch(t.Context(), id, into(tempDir(t)))
	must(t, err)
	art, _ := got.Artifact(artifact)
	if diff := cmp.Diff(describe(t, tree), describe(t, art.Dir())); diff != "" {
		t.Error(diff)
	}
	must(t, a.Delete(t.Context(), id), a.Discard(t.Context(), id))
	if left := b.Keys(t); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// listed is m as an archive lists it.
func listed(m providers.Manifest) providers.Manifest {
	stored := m.Stored
	m = document.Inner(m)
	m.Stored = stored
	return m
}

// TestAStoreThatCannotBeAskedDamagesNothing: no backup is called damaged or missing
// because its store is away.
func TestAStoreThatCannotBeAskedDamagesNothing(t *testing.T) {
	b := bucket.Fake(t)
	a := open(t, b.Address("x"), inBucket(b))
	store(t, a, map[string]string{artifact: large(t)})
	away := b
	away.Name = "nowhere"
	a = open(t, away.Address("x"), inBucket(b))
	_, _, list := a.List(t.Context())
	findings, verified := a.Verify(t.Context(), id)
	_, fetched := a.Fetch(t.Context(), id, into(t.TempDir()))
	_, _, rebuilt := a.Rebuild(t.Context())
	for what, err := range map[string]error{"list": list, "verify": verified, "fetch": fetched, "rebuild": rebuilt, "discard": a.Discard(t.Context(), id)} {
		if what == "fetch" && errors.Is(err, providers.ErrNotFound) {
			continue // the answer is the same for a missing object there
		}
		if !errors.Is(err, place.ErrUnavailable) || !strings.Contains(err.Error(), "bucket does not exist") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if len(findings) > 0 {
		t.Errorf("findings: %v", findings)
	}
}

func TestConfigOfABucket(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*Config)
		want string
	}{
		"bucket":              {func(*Config) {}, ""},
		"bucket alone":        {func(c *Config) { c.Destination = "s3://bucket" }, ""},
		"no bucket":           {func(c *Config) { c.Destination = "s3://" }, "destination"},
		"impossible bucket":   {func(c *Config) { c.Destination = "s3://Bucket_1/x" }, "destination"},
		"prefix that goes up": {func(c *Config) { c.Destination = "s3://bucket/a/../b" }, "destination"},
		"empty folder":        {func(c *Config) { c.Destination = "s3://bucket/a//b" }, "destination"},
		"endpoint":            {func(c *Config) { c.Endpoint = "http://127.0.0.1:9000" }, ""},
		"endpoint with path":  {func(c *Config) { c.Endpoint = "http://127.0.0.1:9000/bucket" }, "endpoint"},
		"endpoint no URL":     {func(c *Config) { c.Endpoint = "s3.example.com" }, "endpoint"},
		"keys in the URL":     {func(c *Config) { c.Endpoint = "https://a:b@s3.example.com" }, "endpoint"},
		"half of the keys":    {func(c *Config) { c.AccessKey = "x" }, "access_key"},
		"secret alone":        {func(c *Config) { c.SecretKey = secret.New("x") }, "access_key"},
		"token alone":         {func(c *Config) { c.SessionToken = secret.New("x") }, "session_token"},
		"two sets of keys":    {func(c *Config) { c.AccessKey, c.SecretKey, c.Profile = "x", secret.New("y"), "z" }, "profile"},
		"checksums":           {func(c *Config) { c.Checksums = "sha1" }, "checksums"},
		"tiny pieces":         {func(c *Config) { c.PieceSize = "1MiB" }, "piece_size"},
		"pieces without unit": {func(c *Config) { c.PieceSize = "large" }, "piece_size"},
		"lock":                {func(c *Config) { c.Lock = &s3.Lock{Mode: "compliance", Days: 30} }, ""},
		"lock for no time":    {func(c *Config) { c.Lock = &s3.Lock{Mode: "governance"} }, "lock.days"},
		"lock of no mode":     {func(c *Config) { c.Lock = &s3.Lock{Mode: "strict", Days: 1} }, "lock.mode"},
		"region of a folder":  {func(c *Config) { c.Destination, c.Region = "/backup", "eu-central-1" }, "region"},
		"lock of a folder":    {func(c *Config) { c.Destination, c.Lock = "/backup", &s3.Lock{Mode: "governance", Days: 1} }, "lock"},
		"keys of a folder":    {func(c *Config) { c.Destination, c.SecretKey = "/backup", secret.New("x") }, "secret_key"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Definition().NewConfig().(*Config)
			cfg.Destination = "s3://bucket/prefix"
			c.set(cfg)
			got := cfg.ValidateConfig()
			if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || got[0].Attribute != c.want || got[0].Remedy == "") {
				t.Errorf("%+v", got)
			}
		})
	}
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/rogpeppe/go-internal/testscript"

	"bkp/internal/lab/bed"
	"bkp/internal/lab/bucket"
)

// TestBedScriptsOfArchives runs the scripts in which archives of several kinds stand
// side by side: restic, which is $RESTIC in them, buckets of a real store, and file
// systems with reflinks. `bucket` makes a bucket, and sets S3_ENDPOINT, S3_ACCESS_KEY,
// S3_SECRET_KEY and S3_REPOSITORY, an address for restic; `download PREFIX FOLDER`
// fetches objects by another client than that of bkp.
func TestBedScriptsOfArchives(t *testing.T) {
	restic := bed.Tool(t, "restic")
	if os.Geteuid() != 0 {
		t.Skip("a file system can be mounted by root only; run the tests as root")
	}
	p := scripts("../../testdata/script/archives")
	var b bucket.Bucket
	p.Cmds["btrfs"] = cmdBtrfs
	p.Cmds["bucket"] = func(ts *testscript.TestScript, _ bool, _ []string) {
		b = bucket.Real(t, bucket.Options{})
		ts.Setenv("S3_ENDPOINT", b.Endpoint)
		ts.Setenv("S3_ACCESS_KEY", bucket.AccessKey)
		ts.Setenv("S3_SECRET_KEY", bucket.SecretKey)
		ts.Setenv("S3_REPOSITORY", fmt.Sprintf("s3:%s/%s/restic", b.Endpoint, b.Name))
	}
	p.Cmds["download"] = func(ts *testscript.TestScript, _ bool, args []string) {
		found := 0
		for o := range b.Client.ListObjectsIter(t.Context(), b.Name, minio.ListObjectsOptions{Prefix: args[0] + "/", Recursive: true}) {
			ts.Check(o.Err)
			to := filepath.Join(ts.MkAbs(args[1]), filepath.Base(o.Key))
			ts.Check(b.Client.FGetObject(t.Context(), b.Name, o.Key, to, minio.GetObjectOptions{}))
			found++
		}
		if found == 0 {
			ts.Fatalf("no object begins with %s/", args[0])
		}
	}
	setup := p.Setup
	p.Setup = func(env *testscript.Env) error {
		env.Setenv("RESTIC", restic)
		env.Setenv("RESTIC_SECRET", "the password")
		env.Setenv("AWS_DEFAULT_REGION", bucket.Region)
		return setup(env)
	}
	testscript.Run(t, p)
}

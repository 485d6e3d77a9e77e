package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"bkp/internal/lab/bed"
	"bkp/internal/lab/bucket"
)

// TestBedRestic runs the scripts that need restic itself, which is $RESTIC in them;
// `bucket` makes a bucket for a repository.
func TestBedRestic(t *testing.T) {
	restic := bed.Tool(t, "restic")
	p := scripts("../../testdata/script/restic")
	setup := p.Setup
	p.Setup = func(env *testscript.Env) error {
		env.Setenv("RESTIC", restic)
		env.Setenv("RESTIC_SECRET", "the password")
		return setup(env)
	}
	p.Cmds["bucket"] = func(ts *testscript.TestScript, _ bool, _ []string) {
		b := bucket.Real(t, bucket.Options{})
		ts.Setenv("S3_REPOSITORY", "s3:"+b.Endpoint+"/"+b.Name)
		ts.Setenv("S3_ACCESS_KEY", bucket.AccessKey)
		ts.Setenv("S3_SECRET_KEY", bucket.SecretKey)
	}
	testscript.Run(t, p)
}

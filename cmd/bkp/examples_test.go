package main

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"

	"bkp/internal/cli"
)

// TestExamplesAreValid reads every example as a user would.
func TestExamplesAreValid(t *testing.T) {
	t.Setenv("BITBUCKET_BACKUP_PASSWORD", "x")
	t.Setenv("BITBUCKET_DB_PASSWORD", "x")
	files, err := filepath.Glob("../../examples/*/*.bkp.hcl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, f := range files {
		dir, err := filepath.Abs(filepath.Dir(f))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Chdir(dir)
			var out bytes.Buffer
			if code := cli.Run(t.Context(), []string{"validate"}, cli.IO{In: &bytes.Buffer{}, Out: &out, Err: &out, Hurry: context.Background()}); code != 0 {
				t.Errorf("exit code %d\n%s", code, out.String())
			}
		})
	}
}

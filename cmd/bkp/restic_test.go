package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"bkp/internal/lab/bed"
)

// TestBedRestic runs the scripts that need restic itself, which is $RESTIC in them.
func TestBedRestic(t *testing.T) {
	restic := bed.Tool(t, "restic")
	p := scripts("../../testdata/script/restic")
	setup := p.Setup
	p.Setup = func(env *testscript.Env) error {
		env.Setenv("RESTIC", restic)
		env.Setenv("RESTIC_SECRET", "the password")
		return setup(env)
	}
	testscript.Run(t, p)
}

package providers_test

import (
	"context"
	"testing"

	"bkp/providers"
)

// plain is a strategy that keeps what it captures.
type plain struct {
	providers.Base
	providers.Shelf
}

func (plain) Check(context.Context) (providers.Report, error) { return providers.Report{}, nil }
func (plain) Capture(context.Context, providers.BackupID) (providers.Artifact, error) {
	return providers.Artifact{}, nil
}
func (plain) Discard(context.Context, providers.BackupID) error { return nil }
func (plain) Restorer(string) (providers.Restorer, error)       { return nil, providers.ErrElsewhere }
func (plain) Keep(_ context.Context, _ providers.Manifest, a providers.Artifact) (providers.Artifact, error) {
	return a, nil
}

// wrapped hides the abilities of a strategy from a type assertion.
type wrapped struct{ providers.Strategy }

func (w wrapped) Unwrap() providers.Strategy { return w.Strategy }

func TestAbilitiesAreFoundInWhatIsWrapped(t *testing.T) {
	var s providers.Strategy = wrapped{wrapped{plain{}}}
	if _, ok := s.(providers.Keeper); ok {
		t.Fatal("nothing is hidden")
	}
	if _, ok := providers.As[providers.Keeper](s); !ok {
		t.Error("the keeper is not found")
	}
	if _, ok := providers.As[providers.Recorder](s); ok {
		t.Error("a recorder is found")
	}
	if _, ok := providers.As[providers.Keeper, providers.Strategy](nil); ok {
		t.Error("nil keeps something")
	}
}

package none

import (
	"testing"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/providertest"
)

func TestContract(t *testing.T) {
	d := Definition()
	open := func(t *testing.T) providers.Strategy {
		s, err := providers.Homes.Open(d, d.NewConfig(), providers.Env{Address: "home.none.x"})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	nothing := func(*testing.T) map[string]string { return nil }
	providertest.Run(t, func(*testing.T) providertest.Harness {
		return providertest.Harness{
			New: open, Mutate: func(*testing.T) {}, State: nothing, Nothing: true,
			Target: func(t *testing.T) providertest.Target {
				return providertest.Target{Restorer: back(t, open(t)), State: nothing, Occupy: func(*testing.T) {}}
			},
		}
	})
}

func TestCheckAndRestoreWarn(t *testing.T) {
	var warned []string
	d := Definition()
	s, err := providers.Homes.Open(d, d.NewConfig(), providers.Env{Address: "home.none.x", Warn: func(m string) { warned = append(warned, m) }})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Check(t.Context())
	if err != nil || len(r.Findings) != 1 || r.Findings[0].Severity != problem.Warning {
		t.Errorf("check: %v %v", r.Findings, err)
	}
	if err := back(t, s).Restore(t.Context(), providers.Artifact{}); err != nil || len(warned) != 1 {
		t.Errorf("restore: %v, warned %q", err, warned)
	}
}

// back is the way back to where the configuration has the state.
func back(t *testing.T, s providers.Strategy) providers.Restorer {
	t.Helper()
	r, err := s.Restorer("")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

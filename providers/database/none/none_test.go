package none

import (
	"testing"

	"bkp/internal/problem"
	"bkp/providers"
)

func TestStrategyWarns(t *testing.T) {
	var warned []string
	d := Definition()
	s, err := providers.Databases.Open(d, d.NewConfig(), providers.Env{Address: "database.none.x", Warn: func(m string) { warned = append(warned, m) }})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Check(t.Context())
	if err != nil || len(r.Findings) != 1 || r.Findings[0].Severity != problem.Warning {
		t.Errorf("check: %v %v", r.Findings, err)
	}
	a, err := s.Capture(t.Context(), "prod-20261122T214431Z")
	if err != nil || a.Address != "database.none.x" || a.Dir() != "" || a.PointInTime.IsZero() {
		t.Errorf("artifact %+v %v", a, err)
	}
	if err := back(t, s).Restore(t.Context(), a); err != nil || len(warned) != 1 {
		t.Errorf("restore: %v, warnings %q", err, warned)
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

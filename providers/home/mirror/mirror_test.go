//go:build unix

package mirror

import (
	"testing"
	"time"

	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/providertest"
)

// open gives the strategy a clock that is ahead, so that the index is believed
// although the test has only just made the files.
func open(path string, stores []string, env providers.Env) (providers.Strategy, error) {
	return &strategy{
		Base: home.Base{Config: home.Config{Path: path, DataStores: stores}, Env: env},
		now:  func() time.Time { return time.Now().Add(time.Hour) },
	}, nil
}

func TestContract(t *testing.T) {
	for name, staged := range map[string]bool{"archive none": false, "unpacked": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			providertest.Run(t, func(t *testing.T) providertest.Harness {
				return providertest.HomeHarness(t, open, providertest.HomeOptions{Staged: staged})
			})
		})
	}
}

package mirror

import (
	"testing"

	"bkp/providers"
	"bkp/providers/home/internal/copytest"
)

// TestNothingElseGetsIntoABackup damages the working copy at every stage.
func TestNothingElseGetsIntoABackup(t *testing.T) {
	copytest.Run(t, func(home string, stores []string, env providers.Env) (copytest.Strategy, error) {
		s, err := open(home, stores, env)
		if err != nil {
			return nil, err
		}
		return s.(*strategy), nil
	})
}

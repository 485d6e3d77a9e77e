package mirror

import (
	"testing"

	"bkp/providers"
	"bkp/providers/home/internal/copytest"
)

func openCopy(home string, stores []string, env providers.Env) (copytest.Strategy, error) {
	s, err := open(home, stores, env)
	if err != nil {
		return nil, err
	}
	return s.(*strategy), nil
}

// TestNothingElseGetsIntoABackup damages the working copy at every stage.
func TestNothingElseGetsIntoABackup(t *testing.T) {
	copytest.Run(t, openCopy)
}

// TestGuestNFSAnotherClient changes the home from another client right before the lock.
func TestGuestNFSAnotherClient(t *testing.T) { copytest.AnotherClient(t, openCopy) }

// TestLongGuestNFS measures the pass under the lock over ways of several lengths.
func TestLongGuestNFS(t *testing.T) { copytest.OnNFS(t, openCopy) }

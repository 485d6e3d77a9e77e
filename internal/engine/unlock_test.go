package engine

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"bkp/internal/bitbucket"
	"bkp/internal/engine/apply"
	"bkp/internal/lab/sandbox"
	"bkp/internal/records/journal"
	"bkp/internal/secret"
	"bkp/providers"
)

// TestATokenProvesNothingAtAnotherAddress: an instance where the token does not fit,
// because somebody else has locked it, may be another one than that which the run
// locked. Only where the run asked for the lock, or where the operator says so, is it
// proof that the lock of the run is gone.
func TestATokenProvesNothingAtAnotherAddress(t *testing.T) {
	const gone = "http://127.0.0.1:1"
	for name, c := range map[string]struct {
		asked, at string // "" is the instance's own url
		locked    bool   // by somebody else
		released  bool
	}{
		"another address, locked by somebody else":     {asked: gone, locked: true},
		"another address, not locked":                  {asked: gone},
		"named by the operator, locked by somebody":    {asked: gone, at: "url", locked: true, released: true},
		"where the run asked, locked by somebody else": {locked: true, released: true},
		"where the run asked, not locked":              {released: true},
		"named by the operator, and nobody has a lock": {asked: gone, at: "url", released: true},
	} {
		t.Run(name, func(t *testing.T) {
			server := sandbox.NewServer(sandbox.Options{})
			ts := httptest.NewServer(server)
			t.Cleanup(ts.Close)
			if c.locked {
				lockAsAnother(t, ts.URL)
			}
			eng := engineOf(t, fmt.Sprintf(twoVaults+"bkp { state_dir = %q }\n", t.TempDir()))
			inst := eng.Config.Instances[0]
			inst.URL, inst.Username, inst.Password, inst.Token = ts.URL, "admin", secret.New("admin"), secret.New("")
			asked, at := c.asked, ""
			if asked == "" {
				asked = ts.URL
			}
			if c.at != "" {
				at = ts.URL
			}
			lostLock(t, eng, asked)
			found, err := eng.Unlock(t.Context(), at)
			if !found || c.released != (err == nil) {
				t.Fatalf("found %v, %v", found, err)
			}
			if !c.released && (!errors.Is(err, apply.ErrMayBeLocked) || !strings.Contains(err.Error(), "may not be the instance that was locked")) {
				t.Errorf("got %v", err)
			}
			runs, err := journal.Unfinished(eng.journalDir())
			if err != nil || len(runs) != 1 || runs[0].MayBeLocked == c.released {
				t.Errorf("journal: %+v, %v", runs, err)
			}
		})
	}
}

// lockAsAnother locks an instance with a token that no journal has.
func lockAsAnother(t *testing.T, url string) {
	t.Helper()
	client, err := bitbucket.New(bitbucket.Config{URL: url, Username: "admin", Password: secret.New("admin")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if _, err := client.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// lostLock records a run that was killed while it held a lock that it had asked for
// at that address.
func lostLock(t *testing.T, eng *Engine, asked string) {
	t.Helper()
	j, err := journal.Create(eng.journalDir(), providers.BackupID("prod-20261122T214431Z"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []journal.Record{
		{Type: journal.RunStarted, Instance: "prod", URL: asked},
		{Type: journal.LockIntent, Asked: asked},
		{Type: journal.Locked, UnlockToken: "of-the-run"},
	} {
		if err := j.Sync(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

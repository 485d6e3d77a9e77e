package guardian

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bkp/internal/bitbucket"
	"bkp/internal/lab/sandbox"
	"bkp/internal/records/journal"
	"bkp/internal/secret"
	"bkp/providers"
)

const run = providers.BackupID("prod-20261122T214431Z")

// inBubble makes a child that holds a lock, without a process or a network.
func inBubble(t *testing.T, within time.Duration) (*child, *sandbox.Server) {
	t.Helper()
	server := sandbox.NewServer(sandbox.Options{})
	client, err := bitbucket.New(bitbucket.Config{URL: "http://bitbucket.test", Username: "admin", Password: secret.New("admin"), Transport: server.Transport()})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	j, err := journal.Create(filepath.Join(dir, "journal"), run)
	if err == nil {
		err = j.Sync(journal.Record{Type: journal.LockIntent})
	}
	if err == nil {
		err = j.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	c := &child{
		messages: make(chan message), out: json.NewEncoder(io.Discard), client: client,
		watch: watchMessage{Run: run, Journal: filepath.Join(dir, "journal"), Log: filepath.Join(dir, "log"), Within: within},
	}
	c.take(message{Lock: true})
	lease, err := client.Start(t.Context(), *c.lease)
	if err != nil {
		t.Fatal(err)
	}
	c.lease = &lease
	return c, server
}

// refuse lets the instance answer 503 to everything for so long.
func refuse(s *sandbox.Server, d time.Duration) {
	s.ChangeCorners(func(c *sandbox.Corners) { c.NodeState = "STARTING" })
	time.AfterFunc(d, func() { s.ChangeCorners(func(c *sandbox.Corners) { c.NodeState = "" }) })
}

// TestGuardianTriesForSixHours in simulated time: an instance that comes back
// in the sixth hour is released, and one that does not is reported.
func TestGuardianTriesForSixHours(t *testing.T) {
	begun := time.Now()
	var simulated time.Duration
	for name, c := range map[string]struct {
		away time.Duration
		code int
		log  string
	}{
		"back in the sixth hour": {6*time.Hour - 10*time.Minute, 0, "released"},
		"away for longer":        {7 * time.Hour, 1, "the instance may still be locked"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				child, server := inBubble(t, time.Hour)
				refuse(server, c.away)
				close(child.messages) // the parent dies
				died := time.Now()
				code := child.wait()
				took := time.Since(died)
				simulated += took
				log, _ := os.ReadFile(child.watch.Log)
				if code != c.code || !strings.Contains(string(log), c.log) {
					t.Errorf("ended with %d after %s and says %s", code, took, log)
				}
				if want := min(c.away, patience); took < want || took > want+2*time.Minute {
					t.Errorf("ended after %s, want %s", took, want)
				}
				r, err := journal.Load(child.watch.Journal, run)
				if err != nil || server.State().Idle() != (code == 0) || r.MayBeLocked != (code != 0) {
					t.Errorf("instance %+v, journal %+v, %v", server.State(), r, err)
				}
				time.Sleep(8 * time.Hour) // the instance comes back for the others
			})
		})
	}
	t.Logf("%s simulated in %s", simulated, time.Since(begun).Round(time.Millisecond))
}

// TestGuardianActsAtTheInstantAndNotBefore: an hour and a half minute, in
// simulated time.
func TestGuardianActsAtTheInstantAndNotBefore(t *testing.T) {
	const within = time.Hour + 30*time.Second
	synctest.Test(t, func(t *testing.T) {
		child, server := inBubble(t, within)
		begun := time.Now()
		if code := child.wait(); code != 0 {
			t.Errorf("ended with %d", code)
		}
		if took := time.Since(begun); took < within || took > within+time.Second {
			t.Errorf("acted after %s, want %s", took, within)
		}
		if !server.State().Idle() {
			t.Errorf("left in state %+v", server.State())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		child, server := inBubble(t, within)
		time.AfterFunc(within-time.Second, func() { child.messages <- message{Released: true} })
		if code := child.wait(); code != 0 || server.State().Idle() {
			t.Errorf("ended with %d, instance %+v: its parent kept time", code, server.State())
		}
		if _, err := os.Stat(child.watch.Log); err == nil {
			t.Error("it did something")
		}
	})
}

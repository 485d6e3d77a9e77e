package remote

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bkp/internal/host"
	"bkp/internal/lab/bed"
	"bkp/providers"
)

// TestMain lets the test's own program be the agent of other machines.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "version" {
		os.Exit(0)
	}
	if len(os.Args) > 2 && os.Args[1] == upgradedCommand {
		os.Exit(upgraded(os.Args[2]))
	}
	if len(os.Args) > 1 && os.Args[1] == Command {
		os.Exit(Main(context.Background(), os.Args[2:], os.Stdin, os.Stdout, Library{Registry: providers.NewRegistry(idle(), halting()), Packer: haltPacker{}}))
	}
	os.Exit(m.Run())
}

// idle is a strategy that has nothing to do.
func idle() providers.Definition {
	return providers.Define(providers.Homes, "probe", "x", probeConfig{}, func(probeConfig, providers.Env) (providers.Strategy, error) {
		return probe{verb: func(context.Context, string) error { return nil }}, nil
	})
}

// hosts are as many machines, each a process of its own.
func hosts(t *testing.T, dir string, n int) []providers.Strategy {
	t.Helper()
	conn := shell{words: []string{`exec "$@"`, "sh"}, settings: providers.ConnectionSettings{StateDir: dir, Install: true, Timeout: time.Minute}}
	var out []providers.Strategy
	for i := range n {
		s := NewSession(fmt.Sprintf("connection.x.%d", i), conn, func(string) {})
		t.Cleanup(s.Close)
		address := fmt.Sprintf("home.probe.x%d", i)
		made, err := Open(Opening{Session: s, Definition: idle(), Config: &probeConfig{}, Work: "work/" + address, Env: providers.Env{Address: address, Host: &host.Host{}}})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, made)
	}
	return out
}

// atOnce does something with all, and returns how long that took.
func atOnce(t *testing.T, all []providers.Strategy, do func(providers.Strategy) error) time.Duration {
	t.Helper()
	var g sync.WaitGroup
	begun := time.Now()
	for _, s := range all {
		g.Go(func() {
			if err := do(s); err != nil {
				t.Error(err)
			}
		})
	}
	g.Wait()
	return time.Since(begun)
}

// TestLongBedTwoHundredHosts captures on 200 machines at once.
func TestLongBedTwoHundredHosts(t *testing.T) {
	bed.Needed(t)
	check := func(s providers.Strategy) error { _, err := s.Check(t.Context()); return err }
	capture := func(s providers.Strategy) error { _, err := s.Capture(t.Context(), id); return err }
	took := map[int]time.Duration{}
	for _, n := range []int{1, 200} {
		all := hosts(t, filepath.Join(t.TempDir(), "state"), n)
		planned := atOnce(t, all, check)
		again := atOnce(t, all, check)
		atOnce(t, all, func(s providers.Strategy) error { return s.Prepare(t.Context(), id) })
		atOnce(t, all, func(s providers.Strategy) error { return s.Warm(t.Context()) })
		took[n] = atOnce(t, all, capture)
		atOnce(t, all, func(s providers.Strategy) error { return s.Close() })
		t.Logf("%d hosts: connected and checked in %s, checked again in %s, captured in %s, %s", n, planned, again, took[n], memory(t))
	}
	if more := took[200] - took[1]; more > 500*time.Millisecond {
		t.Errorf("with 200 hosts the capture takes %s more", more)
	}
}

// memory is the most that this process had.
func memory(t *testing.T) string {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmHWM:") {
			return strings.Join(strings.Fields(line), " ")
		}
	}
	return "memory not known"
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test's own binary is the command when this is set.
const asCommand = "BITBUCKET_SANDBOX_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

func sandbox(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), asCommand+"=1", "BITBUCKET_SANDBOX_PASSWORD=a-secret")
	return cmd
}

// awaitFile waits until path is there and decodes it.
func awaitFile(t *testing.T, path string) map[string]any {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		text, err := os.ReadFile(path)
		if err == nil {
			var v map[string]any
			if err := json.Unmarshal(text, &v); err != nil {
				t.Fatalf("%v in %q", err, text)
			}
			return v
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		select {
		case <-ctx.Done():
			t.Fatal("the sandbox did not become ready")
		case <-tick.C:
		}
	}
}

func get(t *testing.T, method, url string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("admin", "a-secret")
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp
}

func TestServeStopsAndIsConsistent(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil && os.Getenv("CI") != "true" {
		t.Skip("git is missing; install it with: make deps")
	}
	stops := map[string]func(*testing.T, *os.Process, string){
		"by the control interface": func(t *testing.T, _ *os.Process, control string) {
			t.Helper()
			if resp := get(t, "POST", control+"/stop"); resp.StatusCode != http.StatusAccepted {
				t.Errorf("stop: %s", resp.Status)
			}
		},
	}
	if runtime.GOOS != "windows" {
		for _, sig := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
			stops["by "+sig.String()] = func(t *testing.T, p *os.Process, _ string) {
				t.Helper()
				if err := p.Signal(sig); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for name, stop := range stops {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			serveAndStop(t, stop)
		})
	}
}

func serveAndStop(t *testing.T, stop func(*testing.T, *os.Process, string)) {
	dir := t.TempDir()
	home, ready := filepath.Join(dir, "home"), filepath.Join(dir, "ready.json")
	cmd := sandbox(t, "serve", "--dir", home, "--ready-file", ready, "--pause", "1ms", "--drain", "0s", "--context", "/bitbucket")
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reported := awaitFile(t, ready)
	url, control := reported["url"].(string), reported["control_url"].(string)
	if reported["home"] != home || int(reported["pid"].(float64)) != cmd.Process.Pid {
		t.Errorf("the ready file contains %v", reported)
	}
	if resp := get(t, "POST", url+"/mvc/maintenance/lock"); resp.StatusCode != http.StatusAccepted {
		t.Errorf("lock: %s", resp.Status)
	}
	if resp := get(t, "GET", url+"/projects"); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a page of the locked instance: %s", resp.Status)
	}
	get(t, "POST", control+"/restart")
	if resp := get(t, "GET", url+"/projects"); resp.StatusCode != http.StatusOK {
		t.Errorf("a page after the restart: %s", resp.Status)
	}
	stop(t, cmd.Process, control)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	for _, want := range []string{"requests served", "outage as users saw it", "lock by admin"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing from the output:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "a-secret") {
		t.Errorf("a password of the environment was printed:\n%s", out.String())
	}
	checkStopped(t, home)
}

// checkStopped proves that the load stopped between two pushes, and that check
// finds it out when something is missing.
func checkStopped(t *testing.T, home string) {
	t.Helper()
	for _, lock := range []string{".lock", "shared/.lock"} {
		if err := os.Remove(filepath.Join(home, lock)); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := sandbox(t, "check", home, "embedded").CombinedOutput(); err != nil || !strings.HasPrefix(string(text), "consistent: 4 repositories") {
		t.Errorf("check: %v: %s", err, text)
	}
	if err := os.RemoveAll(filepath.Join(home, "shared", "data", "repositories", "2")); err != nil {
		t.Fatal(err)
	}
	text, err := sandbox(t, "check", home, "embedded").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(text), "repository 2 is in the database and not on disk") {
		t.Errorf("check of a damaged home: %v: %s", err, text)
	}
}

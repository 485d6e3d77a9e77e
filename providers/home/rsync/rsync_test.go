//go:build unix

package rsync

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/providertest"
)

func needRsync(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("rsync"); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("no rsync; make deps installs it")
	}
	t.Skip("no rsync; make deps installs it")
}

func open(path string, stores []string, env providers.Env) (providers.Strategy, error) {
	return newStrategy(Config{Config: home.Config{Path: path, DataStores: stores}}, env), nil
}

func TestContract(t *testing.T) {
	needRsync(t)
	for name, staged := range map[string]bool{"archive none": false, "unpacked": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			providertest.Run(t, func(t *testing.T) providertest.Harness {
				return providertest.HomeHarness(t, open, providertest.HomeOptions{Staged: staged, QuickCheck: true})
			})
		})
	}
}

// fake is an rsync that records its arguments and does as it is scripted.
type fake struct{ dir string }

func newFake(t *testing.T, code int, says string) fake {
	t.Helper()
	f := fake{t.TempDir()}
	script := `#!/bin/sh
dir=$(dirname "$0")
if [ "$1" = --version ]; then cat "$dir/version"; exit 0; fi
for a; do printf '%s\n' "$a"; done >>"$dir/args"
cat "$dir/says" >&2
exit "$(cat "$dir/code")"
`
	for name, text := range map[string]string{"version": version35, "says": says, "code": fmt.Sprint(code), "rsync": script} {
		if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// strategy has a home to copy, and the fake as its rsync.
func (f fake) strategy(t *testing.T) *strategy {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "home", "shared", "config"), 0o755); err != nil {
		t.Fatal(err)
	}
	return newStrategy(Config{Config: home.Config{Path: filepath.Join(dir, "home")}, Tool: Tool{f.dir}},
		providers.Env{Address: "home.rsync.x", WorkDir: filepath.Join(dir, "work"), Host: &host.Host{}, Parallelism: 1})
}

func TestExitCodes(t *testing.T) {
	cases := []struct {
		code            int
		live, underLock string // the summary, "" for success
	}{
		{0, "", ""},
		{24, "", "file changed under the lock"},
		{23, "rsync failed", "rsync failed"},
		{11, "rsync failed", "rsync failed"},
		{1, "rsync failed", "rsync failed"},
	}
	for _, c := range cases {
		t.Run(fmt.Sprint(c.code), func(t *testing.T) {
			s := newFake(t, c.code, "rsync: these are its words\n").strategy(t)
			expectError(t, s.Prepare(t.Context(), providertest.ID), c.live)
			_, err := s.Capture(t.Context(), providertest.ID)
			expectError(t, err, c.underLock)
		})
	}
}

// expectError wants an error of this summary with rsync's words and a remedy,
// or none.
func expectError(t *testing.T, got error, summary string) {
	t.Helper()
	if summary == "" {
		if got != nil {
			t.Error(got)
		}
		return
	}
	if got == nil || !strings.HasPrefix(got.Error(), summary) || !strings.Contains(got.Error(), "these are its words") || problem.Remedy(got) == "" {
		t.Errorf("got %v, want %q with rsync's words and a remedy", got, summary)
	}
}

func TestRunsWithTheArgumentsOfArguments(t *testing.T) {
	f := newFake(t, 0, "")
	s := f.strategy(t)
	if err := s.Prepare(t.Context(), providertest.ID); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(f.dir, "args"))
	if err != nil {
		t.Fatal(err)
	}
	p := s.Parts()[0]
	want := strings.Join(fullArguments(ability{acls: true, xattrs: true}, p, s.CopyOf(p)), "\n") + "\n"
	if string(got) != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestCheckFindsWhatIsWrongWithTheTool(t *testing.T) {
	cases := map[string]struct {
		version, want string
	}{
		"too old":      {"rsync  version 3.0.9  protocol version 30\n", "rsync is too old"},
		"another tool": {"busybox\n", "not an rsync"},
		"keeps little": {"rsync  version 3.2.7  protocol version 31\n", "rsync does not keep all attributes"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, 0, "")
			if err := os.WriteFile(filepath.Join(f.dir, "version"), []byte(c.version), 0o600); err != nil {
				t.Fatal(err)
			}
			expectFinding(t, f.strategy(t), c.want)
		})
	}
	t.Run("missing", func(t *testing.T) {
		s := newFake(t, 0, "").strategy(t)
		s.tool = "no-such-rsync"
		expectFinding(t, s, "tool not found")
		if err := s.Prepare(context.Background(), providertest.ID); problem.Remedy(err) == "" {
			t.Errorf("prepare says %v, without a remedy", err)
		}
	})
}

func expectFinding(t *testing.T, s *strategy, summary string) {
	t.Helper()
	r, err := s.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The home of these tests has no repositories.
	r.Findings = slices.DeleteFunc(r.Findings, func(f providers.Finding) bool { return f.Summary == "no repositories" })
	if len(r.Findings) != 1 || r.Findings[0].Summary != summary || r.Findings[0].Remedy == "" {
		t.Errorf("got %+v, want %q", r.Findings, summary)
	}
}

// TestAFailedRsyncMayHaveWrittenMore: what it reported is lost where the stream between
// its processes tears, and the next try finds nothing to do there. So what differs from
// the index is no work of something else.
func TestAFailedRsyncMayHaveWrittenMore(t *testing.T) {
	for code, more := range map[int]bool{0: false, stream: true} {
		s := newFake(t, code, "").strategy(t)
		p := s.Parts()[0]
		wrote := newWritten(nil)
		s.seals.parts = map[string]*sealed{p.Name: {wrote: wrote}}
		err := s.run(t.Context(), true, p, []string{"-a"}, nil)
		if (err != nil) != more || (wrote.by() == nil) != more || (wrote.in() == nil) != more {
			t.Errorf("exit code %d: %v; all may be written: %v", code, err, wrote.everything())
		}
	}
}

// TestWhatIsNamedElsewhereWaitsForTheWalk: two rsyncs never write to one folder, for each
// would take the other's temporary files for what the home does not have.
func TestWhatIsNamedElsewhereWaitsForTheWalk(t *testing.T) {
	const root = "shared/data/repositories"
	below, outside := parted([]string{root, root + "/1/HEAD", root + "-old/x", "shared", "shared/data/db.mv.db"}, root)
	if want := []string{root, root + "/1/HEAD"}; !slices.Equal(below, want) {
		t.Errorf("below: %q", below)
	}
	if want := []string{root + "-old/x", "shared", "shared/data/db.mv.db"}; !slices.Equal(outside, want) {
		t.Errorf("outside: %q", outside)
	}
}

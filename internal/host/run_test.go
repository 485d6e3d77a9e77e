//go:build unix

package host_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bkp/internal/host"
	"bkp/internal/problem"
)

// TestToolThatReadsPartOfItsInputFails: a list of files from which it saw the
// beginning is not done, whatever it says.
func TestToolThatReadsPartOfItsInputFails(t *testing.T) {
	var h host.Host
	much := strings.Repeat("path\x00", 1<<20)
	_, err := h.Run(t.Context(), host.Command{Name: "sh", Args: []string{"-c", "head -c 5 >/dev/null"}, Stdin: strings.NewReader(much)})
	if err == nil || !strings.Contains(err.Error(), "did not read all of its input") {
		t.Errorf("got %v", err)
	}
}

// TestAToolThatCannotBeStarted has a remedy, by whatever name it is called.
func TestAToolThatCannotBeStarted(t *testing.T) {
	var h host.Host
	dir := t.TempDir()
	noProgram := filepath.Join(dir, "no program")
	if err := os.WriteFile(noProgram, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"bkp-no-such-tool":            "install it, or put its folder on PATH",
		filepath.Join(dir, "nowhere"): "correct its path",
		noProgram:                     "let the user that runs bkp execute it",
	} {
		_, ran := h.Run(t.Context(), host.Command{Name: name})
		_, looked := h.LookPath(name)
		for what, err := range map[string]error{"run": ran, "look": looked} {
			if err == nil || !strings.Contains(err.Error(), name) || !strings.HasPrefix(problem.Remedy(err), want) {
				t.Errorf("%s %s: %v; %s", what, name, err, problem.Remedy(err))
			}
			if gone := name != noProgram; errors.Is(err, exec.ErrNotFound) != gone {
				t.Errorf("%s %s is not there: %t", what, name, !gone)
			}
		}
	}
	_, err := h.Run(t.Context(), host.Command{Name: "true", Dir: filepath.Join(dir, "nowhere")})
	if err == nil || errors.Is(err, exec.ErrNotFound) {
		t.Errorf("in a folder that is missing: %v", err)
	}
}

// TestErrorBoundsWhatAToolSaid: a database's client repeats a statement of any
// size before and after it gives the reason.
func TestErrorBoundsWhatAToolSaid(t *testing.T) {
	var h host.Host
	script := `echo BEGINNING >&2; head -c 500000 /dev/zero | tr '\0' F >&2; echo " REASON" >&2; exit 1`
	_, err := h.Run(t.Context(), host.Command{Name: "sh", Args: []string{"-c", script}})
	if err == nil {
		t.Fatal("no error")
	}
	if text := err.Error(); len(text) > 1100 || !strings.HasSuffix(text, "REASON") || !strings.Contains(text, "left out") {
		t.Errorf("%d bytes: %.200s", len(text), text)
	}
}

func TestToolReadsItsInput(t *testing.T) {
	var h host.Host
	much := strings.Repeat("path\x00", 1<<20)
	var out bytes.Buffer
	if _, err := h.Run(t.Context(), host.Command{Name: "cat", Stdin: strings.NewReader(much), Stdout: &out}); err != nil || out.Len() != len(much) {
		t.Errorf("%d bytes, %v", out.Len(), err)
	}
	if _, err := h.Run(t.Context(), host.Command{Name: "true"}); err != nil {
		t.Error(err)
	}
}

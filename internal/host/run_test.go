//go:build unix

package host_test

import (
	"bytes"
	"strings"
	"testing"

	"bkp/internal/host"
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

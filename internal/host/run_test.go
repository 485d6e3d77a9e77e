//go:build unix

package host_test

import (
	"bytes"
	"strings"
	"testing"

	"bkp/internal/host"
)

// TestToolThatReadsPartOfItsInputFails: a list of files of which it saw the
// beginning is not done, whatever it says.
func TestToolThatReadsPartOfItsInputFails(t *testing.T) {
	var h host.Host
	much := strings.Repeat("path\x00", 1<<20)
	_, err := h.Run(t.Context(), host.Command{Name: "sh", Args: []string{"-c", "head -c 5 >/dev/null"}, Stdin: strings.NewReader(much)})
	if err == nil || !strings.Contains(err.Error(), "did not read all of its input") {
		t.Errorf("got %v", err)
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

package pgserver

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"bkp/internal/scratch"
)

// Setting is what a server that is started with args would have for a setting, such
// as "on", as the program postgres in bin reads it from its files. No server is
// started, and none is asked. As root it runs as the user that a server runs as.
func Setting(ctx context.Context, bin string, args []string, name string) (string, error) {
	// -C comes first: then the program does not mind who runs it.
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "postgres"), slices.Concat([]string{"-C", name}, args)...)
	cmd.Dir = "/"
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := scratch.RunTool(cmd, account(), orphaned); err != nil {
		return "", fmt.Errorf("postgres -C %s: %w: %s", name, err, firstLine(said.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// firstLine bounds what a tool said.
func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	const most = 300
	return line[:min(len(line), most)]
}

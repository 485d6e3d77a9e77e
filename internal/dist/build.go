package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// target is a system that bkp is built for.
type target struct{ os, arch string }

func (t target) String() string { return t.os + "/" + t.arch }

var targets = []target{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}}

// chosen are the targets of a list, all of them for "".
func chosen(list string) ([]target, error) {
	if list == "" {
		return targets, nil
	}
	var out []target
	for name := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(targets, func(t target) bool { return t.String() == name })
		if i < 0 {
			return nil, fmt.Errorf("no target %q: %v", name, targets)
		}
		out = append(out, targets[i])
	}
	return out, nil
}

// program is a built bkp.
type program struct {
	target
	// path of the file, and version that it says it is, such as v1.2.3.
	path, version string
}

// name begins the names of the files of one system, such as bkp_1.2.3_linux_amd64.
func (p program) name() string {
	return "bkp_" + strings.TrimPrefix(p.version, "v") + "_" + p.os + "_" + p.arch
}

// refuseChanges is an error if not everything is committed.
func refuseChanges(ctx context.Context) error {
	changed, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--untracked-files=no").Output()
	if err != nil {
		return fmt.Errorf("git status: %w", err)
	}
	if len(changed) > 0 {
		return fmt.Errorf("commit or stash these changes first, only what is committed is built:\n%s", changed)
	}
	return nil
}

// checkOut clones the last commit into a folder, for a build of what was committed and
// of nothing else. In a worktree go would not find the commit, either.
func checkOut(ctx context.Context, dir string) error {
	return tool(ctx, "git", "clone", "--quiet", "--shared", ".", dir)
}

// build builds bkp from a checkout into a folder: static, without paths of this
// machine, and with its commit inside, which the version comes from.
func build(ctx context.Context, t target, source, dir string) (program, error) {
	p := program{target: t, path: filepath.Join(dir, "bkp")}
	if t.os == "windows" {
		p.path += ".exe"
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w -buildid=", "-o", p.path, "./cmd/bkp")
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.arch, "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return program{}, fmt.Errorf("go build: %w\n%s", err, out)
	}
	info, err := buildinfo.ReadFile(p.path)
	if err != nil {
		return program{}, err
	}
	if p.version = info.Main.Version; !strings.HasPrefix(p.version, "v") {
		return program{}, fmt.Errorf("the program does not know its version (%q): build in a checkout of the repository", p.version)
	}
	return p, nil
}

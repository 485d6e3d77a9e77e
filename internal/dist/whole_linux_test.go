package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bkp/internal/lab/bed"
)

// TestBedReproducible makes the files of one system twice, from checkouts at different
// paths, and looks at what is in them.
func TestBedReproducible(t *testing.T) {
	bed.Needed(t)
	needs(t, "rpm")
	first, second := made(t, "linux/amd64"), made(t, "linux/amd64")
	entries, err := os.ReadDir(first)
	if err != nil || len(entries) != 5 {
		t.Fatalf("%v, %v", entries, err)
	}
	for _, e := range entries {
		a, err := os.ReadFile(filepath.Join(first, e.Name()))
		b, err2 := os.ReadFile(filepath.Join(second, e.Name()))
		if err := errors.Join(err, err2); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs between two builds, %v", e.Name(), err)
		}
	}
	sound(t, first, 1)
	red(t, only(t, first, "*.rpm"))
}

// TestLongBedDist makes the files of all systems.
func TestLongBedDist(t *testing.T) {
	bed.Needed(t)
	sound(t, made(t, ""), len(targets))
}

// made is a folder with what make dist makes of the last commit.
func made(t *testing.T, systems string) string {
	t.Helper()
	t.Chdir("../..")
	out := filepath.Join(t.TempDir(), "dist")
	err := run(t.Context(), []string{"-ignore-changes", "-out", out, "-nfpm", tooling(t, "nfpm"), "-sbom", tooling(t, "cyclonedx-gomod"), "-targets", systems})
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("internal/dist")
	return out
}

func only(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	return found[0]
}

// sound checks the archives of so many systems, their lists of what is inside and all
// checksums.
func sound(t *testing.T, dir string, systems int) {
	t.Helper()
	sum := exec.CommandContext(t.Context(), "sha256sum", "--strict", "-c", sums)
	sum.Dir = dir
	if out, err := sum.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	archives := 0
	for pattern, names := range map[string]func(*testing.T, string) []string{"*.tar.gz": inTar, "*.zip": inZip} {
		all, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range all {
			archives++
			complete(t, filepath.Base(path), names(t, path))
			list := strings.TrimSuffix(path, strings.TrimPrefix(pattern, "*")) + ".sbom.json"
			listed(t, list)
		}
	}
	if archives != systems {
		t.Errorf("archives of %d systems, want %d", archives, systems)
	}
}

func inTar(t *testing.T, path string) (names []string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(unpacked); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(h.Name) == "bkp" && !strings.Contains(h.Name, "completion") && h.Mode != 0o755 {
			t.Errorf("%s: mode %o", h.Name, h.Mode)
		}
		names = append(names, h.Name)
	}
}

func inZip(t *testing.T, path string) (names []string) {
	t.Helper()
	r, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	for _, f := range r.File {
		names = append(names, f.Name)
	}
	return names
}

// complete checks the names of what is in an archive, all in a folder called like it.
func complete(t *testing.T, archive string, names []string) {
	t.Helper()
	folder := strings.TrimSuffix(strings.TrimSuffix(archive, ".zip"), ".tar.gz") + "/"
	want := []string{"bkp", "CHANGELOG.md", "completion/bkp", "man1/bkp-apply.1"}
	switch {
	case strings.Contains(archive, "windows"):
		want = []string{"bkp.exe", "CHANGELOG.md"}
	case strings.Contains(archive, "linux"):
		want = append(want, "systemd/bkp.service", "systemd/bkp-drill@.timer", "systemd/secrets.env.example")
	}
	for _, name := range want {
		if !slices.Contains(names, folder+name) {
			t.Errorf("%s has no %s", archive, name)
		}
	}
	for _, name := range names {
		if !strings.HasPrefix(name, folder) {
			t.Errorf("%s has %s outside of its folder", archive, name)
		}
	}
}

// listed checks that a list names the modules of the program.
func listed(t *testing.T, path string) {
	t.Helper()
	var list struct {
		Format     string `json:"bomFormat"`
		Components []struct{ Name, Version string }
	}
	text, err := os.ReadFile(path)
	if err := errors.Join(err, json.Unmarshal(text, &list)); err != nil || list.Format != "CycloneDX" {
		t.Fatalf("%s: %v", path, err)
	}
	names := map[string]string{}
	for _, c := range list.Components {
		names[c.Name] = c.Version
	}
	for _, module := range []string{"std", "github.com/hashicorp/hcl/v2", "github.com/alecthomas/kong"} {
		if names[module] == "" {
			t.Errorf("%s has no version of %s", path, module)
		}
	}
}

// red looks at a package for Red Hat, which is not installed here.
func red(t *testing.T, path string) {
	t.Helper()
	for query, want := range map[string][]string{
		"-qpl":       {"/usr/bin/bkp\n", "/usr/lib/systemd/system/bkp.timer\n", "/usr/share/man/man1/bkp-apply.1.gz\n", "/usr/share/zsh/site-functions/_bkp\n"},
		"-qpi":       {"Name        : bkp\n", "Architecture: x86_64\n"},
		"-qpR":       {"/usr/sbin/useradd\n"},
		"--scripts":  {"systemd-sysusers", "install -d -m 0750 -o root -g bkp /etc/bkp", "systemctl --no-reload disable --now"},
		"--checksig": {"digests OK"},
		"--dump":     {"0100755 root root"},
		"--provides": {"bkp = "},
	} {
		args := []string{query, path}
		if strings.HasPrefix(query, "--") && query != "--checksig" {
			args = []string{"-qp", query, path}
		}
		out, err := exec.CommandContext(t.Context(), "rpm", args...).CombinedOutput()
		if err != nil {
			t.Errorf("rpm %v: %v\n%s", args, err, out)
		}
		for _, text := range want {
			if !strings.Contains(string(out), text) {
				t.Errorf("rpm %v has no %q:\n%s", args, text, out)
			}
		}
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// suite is the release of Debian that the guests are, and this machine must be:
// test programs that are linked on it must run there.
const suite = "bookworm"

// machineSources is where the machine says which mirror it uses.
const machineSources = "/etc/apt/sources.list.d/debian.sources"

// listsStayGood is how long the mirror's lists are used without asking again.
const listsStayGood = 12 * time.Hour

var components = regexp.MustCompile(`(?m)^Components:.*$`)

// openApt makes a configuration of apt that has contrib, too, and leaves that of the
// machine as it is. Lists that are half a day old are fetched again.
func (w *workshop) openApt(ctx context.Context) error {
	if w.apt != "" {
		return nil
	}
	release, err := os.ReadFile("/etc/os-release")
	if err != nil || !strings.Contains(string(release), "VERSION_CODENAME="+suite) {
		return errors.Join(errors.New("the guests can be made on Debian 12 only"), err)
	}
	sources, err := os.ReadFile(machineSources)
	if err != nil {
		return fmt.Errorf("the mirror of this machine is not known: %w", err)
	}
	dir := filepath.Join(w.cache, "apt")
	for _, sub := range []string{"parts", "lists/partial", "archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	conf := fmt.Sprintf("Dir::Etc::sourcelist \"/dev/null\";\nDir::Etc::sourceparts \"%[1]s/parts\";\nDir::State::lists \"%[1]s/lists\";\n"+
		"Dir::Cache \"%[1]s\";\nAPT::Sandbox::User \"root\";\n", dir)
	file := filepath.Join(dir, "apt.conf")
	if err := errors.Join(
		os.WriteFile(w.sources(), components.ReplaceAll(sources, []byte("Components: main contrib")), 0o644),
		os.WriteFile(file, []byte(conf), 0o644),
	); err != nil {
		return err
	}
	w.apt = file
	stamp := filepath.Join(dir, "updated")
	if fi, err := os.Stat(stamp); err == nil && time.Since(fi.ModTime()) < listsStayGood {
		return nil
	}
	if err := w.run(ctx, "apt-get", "update", "-q"); err != nil {
		return err
	}
	return os.WriteFile(stamp, nil, 0o644)
}

func (w *workshop) sources() string { return filepath.Join(w.cache, "apt", "parts", "debian.sources") }

// strap makes the root of a Debian system with packages.
func (w *workshop) strap(ctx context.Context, dir string, packages ...string) error {
	if err := w.openApt(ctx); err != nil {
		return err
	}
	argv := []string{
		// What it mounts inside goes with its namespace, also when it is killed.
		"unshare", "--mount", "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--format=directory", "--include=" + strings.Join(packages, ","),
		`--aptopt=APT::Install-Recommends "false"`, "--dpkgopt=force-unsafe-io",
	}
	for _, without := range []string{"man", "doc", "locale"} {
		argv = append(argv, "--dpkgopt=path-exclude=/usr/share/"+without+"/*")
	}
	// Given no APT_CONFIG, it reads the file of sources alone.
	plain := &workshop{lock: w.lock}
	return plain.run(ctx, append(argv, suite, dir, w.sources())...)
}

// unpack brings the files of packages into a folder, and runs none of their
// scripts.
func (w *workshop) unpack(ctx context.Context, dir string, packages ...string) error {
	if err := w.openApt(ctx); err != nil {
		return err
	}
	for _, pkg := range packages {
		debs := filepath.Join(dir, ".deb")
		if err := os.MkdirAll(debs, 0o755); err != nil {
			return err
		}
		if err := w.run(ctx, "sh", "-c", `cd "$1" && apt-get download -q "$2"`, "sh", debs, pkg); err != nil {
			return err
		}
		found, err := filepath.Glob(filepath.Join(debs, "*.deb"))
		if err != nil || len(found) != 1 {
			return errors.Join(fmt.Errorf("%s: %d packages came, want one", pkg, len(found)), err)
		}
		if err := w.run(ctx, "dpkg-deb", "-x", found[0], dir); err != nil {
			return err
		}
		if err := os.RemoveAll(debs); err != nil {
			return err
		}
	}
	return nil
}

var kernelPackage = regexp.MustCompile(`Depends: (linux-image-\S+)`)

// kernelVersion is the newest kernel's of the suite, such as 6.1.0-56-amd64.
func (w *workshop) kernelVersion(ctx context.Context) (string, error) {
	if err := w.openApt(ctx); err != nil {
		return "", err
	}
	out, err := w.output(ctx, "apt-cache", "depends", "linux-image-amd64")
	if err != nil {
		return "", err
	}
	m := kernelPackage.FindStringSubmatch(out)
	if m == nil {
		return "", fmt.Errorf("linux-image-amd64 depends on no kernel: %s", out)
	}
	return strings.TrimPrefix(m[1], "linux-image-"), nil
}

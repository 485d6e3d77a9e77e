package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"embed"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"bkp/internal/lab/bed"
	"bkp/internal/lab/systemd"
)

//go:embed testdata/system.sh testdata/deb.sh testdata/rpm.sh
var scripts embed.FS

// TestBedPackage builds the package for Debian twice, as two versions, and installs,
// uses, upgrades, removes and purges it in a system with a real systemd, where a
// sandbox is https://bitbucket.example.com. The commands of docs/quickstart.md are
// followed literally there.
func TestBedPackage(t *testing.T) {
	bed.Needed(t)
	s := systemd.New(t)
	commands := quickCommands(t)
	old, next := packages(t, s.Job, ".deb")
	if n := strings.Count(commands, "\n"); n > 10 {
		t.Errorf("%d commands from dpkg -i to the first restored backup:\n%s", n, commands)
	}
	commands = strings.ReplaceAll(commands, "bkp_VERSION_linux_amd64.deb", old)
	writeFile(t, filepath.Join(s.Job, "commands"), commands)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	copyFile(t, self, filepath.Join(s.Job, "test"))
	use(t, s, "deb.sh", old, next)
}

// TestBedPackageRPM installs, uses, upgrades and removes the package for Red Hat by rpm,
// in the same system, with its units as root and as the user that the package makes.
func TestBedPackageRPM(t *testing.T) {
	bed.Needed(t)
	s := systemd.New(t)
	old, next := packages(t, s.Job, ".rpm")
	use(t, s, "rpm.sh", old, next)
}

// use runs a script of testdata in the system with two versions of a package.
func use(t *testing.T, s systemd.System, script, old, next string) {
	t.Helper()
	writeFile(t, filepath.Join(s.Job, "old"), old)
	writeFile(t, filepath.Join(s.Job, "next"), next)
	goBuild(t, filepath.Join(s.Job, "bitbucket-sandbox"), "bkp/cmd/bitbucket-sandbox")
	var text strings.Builder
	for _, name := range []string{"system.sh", script} {
		part, err := scripts.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(part)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	out, code, err := s.Run(ctx, text.String())
	t.Log(out)
	if err != nil || code != 0 || !strings.HasSuffix(out, "all of it\n") {
		t.Fatalf("exit code %d, %v", code, err)
	}
}

// quickCommands are the lines of the page that begin with the installation.
func quickCommands(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/quickstart.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)\n```sh[^\n]*\n(dpkg -i .*?\n)```\n").FindSubmatch(page)
	if m == nil {
		t.Fatal("docs/quickstart.md has no block that begins with dpkg -i")
	}
	return string(m[1])
}

// packages makes two versions of a package in a folder, by the code of make dist, and
// returns their names, which end in ext.
func packages(t *testing.T, dir, ext string) (old, next string) {
	t.Helper()
	if err := os.Chdir("../.."); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chdir("internal/dist") })
	m := maker{out: t.TempDir(), work: t.TempDir(), nfpm: tooling(t, "nfpm"), sbom: tooling(t, "cyclonedx-gomod"), time: time.Unix(1_700_000_000, 0).UTC()}
	if err := checkOut(t.Context(), m.source()); err != nil {
		t.Fatal(err)
	}
	p, err := build(t.Context(), target{"linux", "amd64"}, m.source(), m.work)
	if err != nil {
		t.Fatal(err)
	}
	list, err := m.list(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, version := range []string{"v1.0.0", "v1.1.0"} {
		p.version = version
		if err := m.packages(t.Context(), p, list); err != nil {
			t.Fatal(err)
		}
		name := p.name() + ext
		copyFile(t, filepath.Join(m.out, name), filepath.Join(dir, name))
		names = append(names, name)
	}
	return names[0], names[1]
}

// tooling is one of the programs that make dist and make beds install in .tools.
func tooling(t *testing.T, name string) string {
	t.Helper()
	found, err := filepath.Glob(".tools/" + name + "-v*")
	if err != nil || len(found) == 0 {
		t.Fatalf("no %s in .tools (%v): make beds", name, err)
	}
	path, err := filepath.Abs(found[len(found)-1])
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// goBuild builds a program.
func goBuild(t *testing.T, to, pkg string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", to, pkg)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err := errors.Join(err, os.WriteFile(to, data, 0o755)); err != nil {
		t.Fatal(err)
	}
}

// TestProxy is no test: in the system of TestBedPackage it is the web server before
// Bitbucket, with a certificate that the system then trusts. PROXY_TO is what it leads
// to; it ends with the system.
func TestProxy(t *testing.T) {
	to := os.Getenv("PROXY_TO")
	if to == "" {
		t.Skip("a part of TestBedPackage")
	}
	address, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	const name = "bitbucket.example.com"
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certificate := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate, certificate, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	trusted := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := errors.Join(os.MkdirAll("/etc/ssl/certs", 0o755), os.WriteFile("/etc/ssl/certs/ca-certificates.crt", trusted, 0o644)); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		Addr: ":443", Handler: httputil.NewSingleHostReverseProxy(address), ReadHeaderTimeout: time.Minute,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12},
	}
	t.Fatal(server.ListenAndServeTLS("", ""))
}

package bitbucket_test

import (
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bkp/internal/bitbucket"
	"bkp/internal/lab/sandbox"
	"bkp/internal/problem"
	"bkp/internal/secret"
)

// authority writes the certificate of a server's authority to a file.
func authority(t *testing.T, ts *httptest.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ts.Certificate().Raw})
	if err := os.WriteFile(path, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAPrivateAuthorityIsTrustedOnlyWhereItIsNamed(t *testing.T) {
	ts := httptest.NewTLSServer(sandbox.NewServer(sandbox.Options{}))
	defer ts.Close()
	config := bitbucket.Config{URL: ts.URL, Username: "admin", Password: secret.New("admin"), CAFile: authority(t, ts)}
	c, err := bitbucket.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.ProveAdministrator(t.Context()); err != nil {
		t.Errorf("with ca_file: %v", err)
	}
	config.CAFile = ""
	checkFindings(t, config, "the instance's certificate is not trusted", "")

	// The name in the certificate counts as well.
	config.CAFile, config.URL = authority(t, ts), strings.Replace(ts.URL, "127.0.0.1", "localhost", 1)
	checkFindings(t, config, "the instance's certificate is for another host name", "")
}

func TestBadFilesOfCertificates(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"empty": "", "text": "no certificate", "key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"empty", "text", "key", "missing", "."} {
		path := filepath.Join(dir, name)
		_, err := bitbucket.New(bitbucket.Config{URL: "https://x", CAFile: path})
		var p *problem.Problem
		if !errors.As(err, &p) || p.Summary != "certificates cannot be read" || !strings.Contains(p.Detail, path) || p.Remedy == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNoCredentialsFromHTTPSToHTTP(t *testing.T) {
	// Host and port stay: only the scheme differs.
	ts := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+r.Host+r.URL.Path, http.StatusFound)
	}))
	defer ts.Close()
	c, err := bitbucket.New(bitbucket.Config{URL: ts.URL, Username: "admin", Password: secret.New(password), CAFile: authority(t, ts)})
	if err != nil {
		t.Fatal(err)
	}
	var s *bitbucket.StatusError
	if err := c.ProveAdministrator(t.Context()); !errors.As(err, &s) || s.Status != http.StatusFound {
		t.Errorf("got %v", err)
	}
}

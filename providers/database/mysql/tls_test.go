package mysql

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bkp/internal/mysqlserver"
)

func TestTLS(t *testing.T) {
	cert, key := certificate(t)
	other, _ := certificate(t)
	dir, err := os.MkdirTemp("", "bkp-tls-") // the server may run as another user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	for name, text := range map[string][]byte{"server.crt": cert, "server.key": key, "other.crt": other} {
		if err := os.WriteFile(path(name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	server, err := mysqlserver.Start(t.Context(), filepath.Join(t.TempDir(), "my"),
		"--ssl-cert="+path("server.crt"), "--ssl-key="+path("server.key"), "--ssl-ca="+path("server.crt"))
	needServer(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	newDatabase(t, server, "encrypted")
	run(t, server, "", "CREATE USER careful@'%' IDENTIFIED BY 'x' REQUIRE SSL; GRANT ALL ON *.* TO careful@'%'")
	for name, c := range map[string]struct {
		mode, root, host, user string
		summary                string // "" for none
	}{
		"disable":         {tlsDisable, "", "127.0.0.1", "", ""},
		"prefer":          {tlsPrefer, "", "127.0.0.1", "careful", ""},
		"require":         {tlsRequire, "", "127.0.0.1", "careful", ""},
		"verify-full":     {tlsVerifyFull, path("server.crt"), "127.0.0.1", "careful", ""},
		"verify-ca":       {tlsVerifyCA, path("server.crt"), "127.0.0.1", "careful", ""},
		"other authority": {tlsVerifyCA, path("other.crt"), "127.0.0.1", "", noTLS},
		"other name":      {tlsVerifyFull, path("server.crt"), "localhost", "", noTLS},
		"no certificate":  {tlsVerifyCA, path("server.key"), "127.0.0.1", "", noTLS},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTest(t, server, "encrypted", func(cfg *Config) {
				cfg.TLS.Mode, cfg.TLS.CAFile, cfg.Host = c.mode, c.root, c.host
				if c.user != "" {
					asUser(cfg, c.user, "x")
				}
			})
			r, err := s.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c.summary != "" {
				if len(r.Findings) != 1 || r.Findings[0].Summary != c.summary {
					t.Errorf("findings %v", r.Findings)
				}
				return
			}
			if len(r.Findings) > 0 {
				t.Fatalf("findings %v", r.Findings)
			}
			backup(t, s) // the tool must agree
		})
	}
}

// certificate makes one that signs itself, for 127.0.0.1.
func certificate(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

package postgresql

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

	"bkp/internal/pgserver"
)

// ownServer starts a server for a test that changes it.
func ownServer(t *testing.T) *pgserver.Server {
	t.Helper()
	server, err := pgserver.Start(t.Context(), filepath.Join(t.TempDir(), "pg"))
	needServer(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	return server
}

func TestCheckFindsStandby(t *testing.T) {
	server := ownServer(t)
	if err := os.WriteFile(filepath.Join(server.Dir(), "data", "standby.signal"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := newTest(t, server, "postgres", nil).Check(t.Context())
	if err != nil || len(r.Findings) != 1 || r.Findings[0].Summary != onStandby {
		t.Errorf("%v %v", r.Findings, err)
	}
}

func TestTLS(t *testing.T) {
	server := ownServer(t)
	cert, key := certificate(t)
	data := filepath.Join(server.Dir(), "data")
	for name, text := range map[string][]byte{"server.crt": cert, "server.key": key} {
		// The server takes a key of its own user only: it writes over a file
		// that is already its own.
		path := filepath.Join(data, name)
		if err := server.Exec(t.Context(), "postgres", "COPY (SELECT 1) TO "+quoteLiteral(path)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := server.Exec(t.Context(), "postgres", "ALTER SYSTEM SET ssl = on"); err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	other, _ := certificate(t)
	root, otherRoot := filepath.Join(t.TempDir(), "root.crt"), filepath.Join(t.TempDir(), "other.crt")
	for path, text := range map[string][]byte{root: cert, otherRoot: other} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		mode, root, host string
		ok               bool
	}{
		"require":           {"require", "", "127.0.0.1", true},
		"verify-full":       {"verify-full", root, "127.0.0.1", true},
		"other authority":   {"verify-ca", otherRoot, "127.0.0.1", false},
		"other name":        {"verify-full", root, "localhost", false},
		"other name may be": {"verify-ca", root, "localhost", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTest(t, server, "postgres", func(cfg *Config) { cfg.TLS.Mode, cfg.TLS.CAFile, cfg.Host = c.mode, c.root, c.host })
			r, err := s.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !c.ok {
				if len(r.Findings) != 1 || r.Findings[0].Summary != noTLS {
					t.Errorf("findings %v", r.Findings)
				}
				return
			}
			if len(r.Findings) > 0 {
				t.Fatalf("findings %v", r.Findings)
			}
			backup(t, s, nil) // pg_dump must agree
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

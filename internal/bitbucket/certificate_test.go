package bitbucket_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bkp/internal/bitbucket"
	"bkp/internal/lab/sandbox"
	"bkp/internal/secret"
)

// TestTheRightFaultOfACertificateIsNamed: the authority is known each time, so a
// remedy that sends for ca_file would lead astray.
func TestTheRightFaultOfACertificateIsNamed(t *testing.T) {
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		names  []string
		until  time.Duration
		want   string
		remedy string
	}{
		"no name but the common one": {nil, day, "for another host name", "subjectAltName"},
		"another name":               {[]string{"other.example.com"}, day, "for another host name", "subjectAltName"},
		"expired":                    {[]string{"localhost"}, -time.Hour, "not valid at this time", "renew the certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			now := time.Now()
			template := &x509.Certificate{
				SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: c.names,
				NotBefore: now.Add(-day), NotAfter: now.Add(c.until), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
			}
			der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "ca.pem")
			if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
				t.Fatal(err)
			}
			ts := httptest.NewUnstartedServer(sandbox.NewServer(sandbox.Options{}))
			ts.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
			ts.StartTLS()
			defer ts.Close()
			client, err := bitbucket.New(bitbucket.Config{
				URL: strings.Replace(ts.URL, "127.0.0.1", "localhost", 1), Username: "admin", Password: secret.New("admin"), CAFile: file,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			seen := client.Observe(t.Context())
			if len(seen.Findings) != 1 || !strings.Contains(seen.Findings[0].Summary, c.want) || !strings.Contains(seen.Findings[0].Remedy, c.remedy) {
				t.Errorf("%+v", seen.Findings)
			}
		})
	}
}

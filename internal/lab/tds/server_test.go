package tds_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	mssql "github.com/microsoft/go-mssqldb"

	"bkp/internal/lab/tds"
)

// echo answers a batch with itself, and refuses one that says so.
type echo struct{}

func (echo) Login(l tds.Login) error {
	if l.Password != "pä;ss" {
		return &tds.Error{Number: 18456, Message: "Login failed."}
	}
	return nil
}

func (echo) Batch(_ context.Context, l tds.Login, text string, say func(string)) (tds.Reply, error) {
	if text == "refuse it" {
		return tds.Reply{}, &tds.Error{Number: 50000, Message: "as asked"}
	}
	say("half of it")
	return tds.Reply{Columns: []string{"user", "text", "nothing"}, Rows: [][]string{{l.User, text, tds.Null}}}, nil
}

func start(t *testing.T, c *tls.Certificate) *tds.Server {
	t.Helper()
	s, err := tds.Start(echo{}, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func open(t *testing.T, s *tds.Server, encrypt string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlserver", fmt.Sprintf("sqlserver://sa:p%%C3%%A4;ss@127.0.0.1:%d?%s&disableretry=true", s.Port(), encrypt))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

const plain = "encrypt=disable"

func TestARealDriverIsServed(t *testing.T) {
	certificate := selfSigned(t)
	for name, c := range map[string]struct {
		certificate *tls.Certificate
		encrypt     string
	}{"plain": {nil, plain}, "encrypted": {&certificate, "encrypt=true&trustservercertificate=true"}} {
		t.Run(name, func(t *testing.T) {
			db := open(t, start(t, c.certificate), c.encrypt)
			var user, got string
			var nothing sql.NullString
			if _, err := db.Exec("SELECT " + strings.Repeat("é", 3900)); err != nil { // more than a packet, both ways
				t.Error(err)
			}
			if err := db.QueryRow("SELECT 'ü'").Scan(&user, &got, &nothing); err != nil || user != "sa" || got != "SELECT 'ü'" || nothing.Valid {
				t.Errorf("got %q, %q, %v, %v", user, got, nothing, err)
			}
			var refused mssql.Error
			if _, err := db.Exec("refuse it"); !errors.As(err, &refused) || refused.Number != 50000 {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestNoCertificateNoEncryption(t *testing.T) {
	if err := open(t, start(t, nil), "encrypt=true&trustservercertificate=true").Ping(); err == nil {
		t.Error("it is encrypted")
	}
}

func TestFaults(t *testing.T) {
	for name, f := range map[string]tds.Fault{
		"no connection":  {At: tds.AtConnect, Cut: true},
		"no login":       {At: tds.AtLogin, Refuse: &tds.Error{Number: 18456, Message: "no"}},
		"cut login":      {At: tds.AtLogin, Lose: true},
		"refused batch":  {At: "SELECT", Refuse: &tds.Error{Number: 1, Message: "no"}},
		"cut batch":      {At: "SELECT", Cut: true},
		"lost its reply": {At: "SELECT", Lose: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, nil)
			s.Disturb(f)
			db := open(t, s, plain)
			if _, err := db.Exec("SELECT 1"); err == nil {
				t.Error("there is an answer")
			}
			if s.Undisturbed() > 0 {
				t.Error("the fault did not come to pass")
			}
			if _, err := db.Exec("SELECT 1"); err != nil {
				t.Errorf("and without the fault: %v", err)
			}
		})
	}
}

// TestSkippedAndHeld: the second of three is held until the client gives up.
func TestSkippedAndHeld(t *testing.T) {
	s := start(t, nil)
	held := make(chan struct{})
	s.Disturb(tds.Fault{At: "SELECT", Skip: 1, Hold: make(chan struct{}), Held: held})
	db := open(t, s, plain)
	if _, err := db.Exec("SELECT 1"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-held; cancel() }()
	if _, err := db.ExecContext(ctx, "SELECT 2"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := db.Exec("SELECT 3"); err != nil {
		t.Fatal(err)
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

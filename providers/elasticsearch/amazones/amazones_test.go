package amazones_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"bkp/internal/lab/searchserver"
	"bkp/providers"
	"bkp/providers/elasticsearch/amazones"
)

const (
	region = "eu-central-1"
	key    = "AKIDEXAMPLE"
	secret = "the key of the domain"
)

// TestRequestsAreSigned takes a backup through a proxy that lets nothing pass whose
// signature does not fit the request.
func TestRequestsAreSigned(t *testing.T) {
	for name, c := range map[string]struct {
		secret, region string
		want           string
	}{
		"right key":    {secret, region, ""},
		"wrong key":    {"another", region, "search server denies an action"},
		"wrong region": {secret, "us-east-1", "search server denies an action"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_ACCESS_KEY_ID", key)
			t.Setenv("AWS_SECRET_ACCESS_KEY", c.secret)
			t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
			behind := searchserver.NewStandIn(t)
			behind.Put("bitbucket-search-v1", "1", "one")
			front := httptest.NewServer(proxy(behind))
			t.Cleanup(front.Close)
			s := open(t, front.URL, c.region)
			r, err := s.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c.want != "" {
				if len(r.Findings) != 1 || r.Findings[0].Summary != c.want {
					t.Errorf("%v", r.Findings)
				}
				return
			}
			if r.Failed() {
				t.Fatal(r.Findings)
			}
			backUp(t, s)
			if got := behind.Snapshots("bitbucket-snapshots"); len(got) != 1 {
				t.Errorf("%q", got)
			}
		})
	}
}

func open(t *testing.T, url, region string) providers.Strategy {
	t.Helper()
	d := amazones.Definition()
	cfg := d.NewConfig().(*amazones.Config)
	cfg.URL, cfg.Region, cfg.Bucket, cfg.RoleARN, cfg.Register = url, region, "snapshots", "arn:aws:iam::123456789012:role/snapshots", true
	s, err := providers.Searches.Open(d, cfg, providers.Env{Address: "elasticsearch.amazon_es.x", Instance: providers.Instance{Name: "prod"}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func backUp(t *testing.T, s providers.Strategy) {
	t.Helper()
	const id = "prod-20261128T030000Z"
	if err := s.Prepare(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	a, err := s.Capture(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Finish(t.Context(), a); err != nil {
		t.Fatal(err)
	}
}

// proxy compares the signature of each request with its own.
func proxy(behind http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Authorization") != signature(r, body) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"message":"The request signature we calculated does not match the signature you provided."}`)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		behind.ServeHTTP(w, r)
	})
}

// signature is what the request's ought to be.
func signature(r *http.Request, body []byte) string {
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return "none"
	}
	again, err := http.NewRequestWithContext(context.Background(), r.Method, "http://"+r.Host+r.URL.RequestURI(), nil)
	if err != nil {
		return "none"
	}
	_, signed, _ := strings.Cut(r.Header.Get("Authorization"), "SignedHeaders=")
	signed, _, _ = strings.Cut(signed, ",")
	for _, name := range strings.Split(signed, ";") {
		if name != "host" && name != "content-length" {
			again.Header.Set(name, r.Header.Get(name))
		}
	}
	again.ContentLength = r.ContentLength
	sum := sha256.Sum256(body)
	creds := aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}
	if err := v4.NewSigner().SignHTTP(context.Background(), creds, again, hex.EncodeToString(sum[:]), "es", region, at); err != nil {
		return "none"
	}
	return again.Header.Get("Authorization")
}

package s3

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"bkp/internal/debuglog"
	"bkp/internal/problem"
	"bkp/internal/secret"
)

// amazon finds the host of a region by itself.
const amazon = "s3.amazonaws.com"

// newClient connects to nothing.
func newClient(cfg Config, keys *credentials.Credentials, endpoint *url.URL, silence time.Duration) (*minio.Client, error) {
	host, secure, region := amazon, true, cfg.region()
	if endpoint != nil {
		host, secure, region = endpoint.Host, endpoint.Scheme == "https", cmp.Or(region, "us-east-1")
	}
	transport, err := newTransport(secure, silence)
	if err != nil {
		return nil, err
	}
	lookup := minio.BucketLookupDNS
	if cfg.PathStyle {
		lookup = minio.BucketLookupPath
	}
	return minio.New(host, &minio.Options{
		Creds: keys, Secure: secure, Region: region, BucketLookup: lookup, Transport: debuglog.Transport{RoundTripper: transport},
		MaxRetries: 1, // we try again: see try
	})
}

// metadataTimeout is for each call to the machine's metadata, which many machines do
// not have.
const metadataTimeout = 5 * time.Second

// credentials are looked up when they are needed, and again when they expire.
func (c *Config) credentials() *credentials.Credentials {
	if c.AccessKey != "" {
		return credentials.NewStaticV4(c.AccessKey, c.SecretKey.Reveal(), c.SessionToken.Reveal())
	}
	file := &credentials.FileAWSCredentials{Profile: c.Profile}
	if c.Profile != "" {
		return credentials.New(file)
	}
	// A web identity is one of its roles.
	role := &credentials.IAM{Client: &http.Client{Timeout: metadataTimeout}}
	return credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, file, role})
}

// Lent is the configuration for another machine: the keys that are found in the files
// and the environment of this one stand in it.
func (c *Config) Lent(ctx context.Context) (Config, error) {
	out := *c
	out.Region = c.region()
	if c.AccessKey != "" {
		return out, nil
	}
	keys, err := c.credentials().GetWithContext(&credentials.CredContext{Client: http.DefaultClient})
	if err != nil {
		return out, problem.Wrap(err, "no keys of the object store", "set access_key and secret_key, or see that this machine has them")
	}
	if ctx.Err() != nil {
		return out, context.Cause(ctx)
	}
	out.Profile, out.AccessKey, out.SecretKey = "", keys.AccessKeyID, secret.New(keys.SecretAccessKey)
	if keys.SessionToken != "" {
		out.SessionToken = secret.New(keys.SessionToken)
	}
	return out, nil
}

// region is the one that is declared, or that of this machine; "" if neither.
func (c *Config) region() string {
	return cmp.Or(c.Region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"))
}

// newTransport ends connections that bring nothing for too long. No call has a
// deadline as a whole: how long an upload may take is not known.
func newTransport(secure bool, silence time.Duration) (*http.Transport, error) {
	t, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: min(30*time.Second, silence), KeepAlive: 30 * time.Second}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &patientConn{c, silence}, nil
	}
	t.ResponseHeaderTimeout = 0 // silence is its bound
	return t, nil
}

// patientConn is a connection whose deadline moves whenever bytes do, in either
// direction: while an upload is sent, nothing comes back.
type patientConn struct {
	net.Conn
	silence time.Duration
}

func (c *patientConn) Read(p []byte) (int, error) {
	c.extend()
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.extend()
	}
	return n, err
}

func (c *patientConn) Write(p []byte) (int, error) {
	c.extend()
	n, err := c.Conn.Write(p)
	if n > 0 {
		c.extend()
	}
	return n, err
}

// extend fails only on a connection that is closed, as the call after it will.
func (c *patientConn) extend() { _ = c.SetDeadline(time.Now().Add(c.silence)) }

package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"bkp/internal/debuglog"
	"bkp/internal/problem"
	"bkp/internal/secret"
)

const (
	// callTimeout bounds one attempt at one call. A server answers a call that deletes a
	// running snapshot after some seconds.
	callTimeout = 90 * time.Second
	// attempts is how often a call that only reads is repeated.
	attempts = 3
	// maxReply bounds what is read of a reply: a list of thousands of snapshots.
	maxReply = 64 << 20
)

// Signer adds what a service wants besides, or instead of, a password. body is the
// whole body of the request.
type Signer func(req *http.Request, body []byte) error

// Config says how a server is reached.
type Config struct {
	// URL of the server, without a path or with the one of a proxy.
	URL      string
	Username string
	Password secret.String
	// CAFile holds certificates to trust besides the system's; may be "".
	CAFile string
	// Sign signs each attempt at a request; nil if nothing is signed.
	Sign Signer
}

// Client talks to one server. It is safe for concurrent use.
type Client struct {
	base string
	// once makes one attempt, and patient repeats what failed in passing.
	once, patient *retryablehttp.Client
}

// New returns a client; nothing is called yet.
func New(c Config) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(c.URL, "/"))
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, problem.New("url of the search server is wrong", fmt.Sprintf("%q is not an http or https address", c.URL), `write it with its port: url = "https://search.example.com:9200"`)
	}
	if base.User != nil {
		return nil, problem.New("url of the search server holds credentials", "they would be shown wherever the address is", "use the attributes username and password")
	}
	transport, err := newTransport(c.CAFile)
	if err != nil {
		return nil, err
	}
	h := &http.Client{
		Transport: authenticating{Config: c, next: debuglog.Transport{RoundTripper: transport}}, Timeout: callTimeout,
		// A redirect would take the password to somewhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &Client{base: base.String(), once: retrying(h, 0), patient: retrying(h, attempts)}, nil
}

// URL is the address of the server.
func (c *Client) URL() string { return c.base }

// Close gives up idle connections. The client may be used again.
func (c *Client) Close() { c.once.HTTPClient.CloseIdleConnections() }

func newTransport(caFile string) (*http.Transport, error) {
	t := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // documented to be one
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return t, nil
	}
	const remedy = "set ca_file of the tls block to a PEM file with the authority's certificate, which this user can read"
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, problem.Wrap(err, "certificates for the search server cannot be read", remedy)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, problem.New("certificates for the search server cannot be read", caFile+" holds no PEM certificate", remedy)
	}
	t.TLSClientConfig.RootCAs = pool
	return t, nil
}

// authenticating adds credentials to each attempt: a signature has its time in it.
type authenticating struct {
	Config
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (a authenticating) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	if a.Username != "" {
		req.SetBasicAuth(a.Username, a.Password.Reveal())
	}
	if a.Sign == nil {
		return a.next.RoundTrip(req)
	}
	var body []byte
	if req.Body != nil {
		var err error
		body, err = io.ReadAll(req.Body)
		if err := errors.Join(err, req.Body.Close()); err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	if err := a.Sign(req, body); err != nil {
		return nil, err
	}
	return a.next.RoundTrip(req)
}

func retrying(h *http.Client, times int) *retryablehttp.Client {
	r := retryablehttp.NewClient()
	r.HTTPClient, r.Logger, r.RetryMax = h, nil, times
	r.RetryWaitMin, r.RetryWaitMax = 100*time.Millisecond, 2*time.Second
	r.ErrorHandler = retryablehttp.PassthroughErrorHandler
	r.CheckRetry = func(ctx context.Context, resp *http.Response, err error) (bool, error) {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if resp != nil {
			// 500 is how a server says that something is wrong with the request.
			return resp.StatusCode >= http.StatusBadGateway || resp.StatusCode == http.StatusTooManyRequests, nil
		}
		var known *problem.Problem
		return err != nil && !errors.As(err, &known) && !refused(err), nil
	}
	return r
}

// refused reports whether the next attempt would fail in the same way: nothing
// listens, or the certificate is not trusted.
func refused(err error) bool {
	var cert *tls.CertificateVerificationError
	return errors.As(err, &cert) || strings.Contains(err.Error(), "connection refused")
}

// get reads, and repeats what failed in passing.
func (c *Client) get(ctx context.Context, path string, query url.Values, into any) error {
	return c.do(ctx, c.patient, call{method: http.MethodGet, path: path, query: query}, into)
}

// call is one request.
type call struct {
	method, path string
	query        url.Values
	body         any
}

func (c *Client) do(ctx context.Context, h *retryablehttp.Client, r call, into any) error {
	address := c.base + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	var text any // an untyped nil is no body
	if r.body != nil {
		encoded, err := json.Marshal(r.body)
		if err != nil {
			return err
		}
		text = encoded
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, r.method, address, text)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	if text != nil {
		// Without it servers answer 406 since version 6.
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := h.Do(req)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return c.unreachable(ctx, err)
	}
	if resp.StatusCode/100 != 2 {
		return explain(c.base, faultOf(r, resp.StatusCode, reply))
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(reply, into); err != nil {
		return problem.Wrapf(err, "answer is not that of a search server", "look whether url is that of Elasticsearch or OpenSearch itself, and what lies in between", "%s %s", r.method, c.base+r.path)
	}
	return nil
}

// unreachable is about a call without an answer.
func (c *Client) unreachable(ctx context.Context, err error) error {
	var known *problem.Problem
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &known):
		return err
	}
	return problem.Wrapf(&NoAnswer{err}, "search server does not answer", "see that it runs and that this machine may reach it; url, and tls for its certificate, are in the elasticsearch block", "%s", c.base)
}

// NoAnswer is the cause of an error about a call to which no answer came: it may have
// had its effect.
type NoAnswer struct{ Err error }

// Error implements error.
func (n *NoAnswer) Error() string { return n.Err.Error() }

// Unwrap returns the cause.
func (n *NoAnswer) Unwrap() error { return n.Err }

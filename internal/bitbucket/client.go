package bitbucket

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
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
	// callTimeout bounds one attempt at one call.
	callTimeout = 30 * time.Second
	// maxReply bounds what is read of a reply; real ones are a few kilobytes.
	maxReply = 4 << 20
	// maxMessage and maxStart bound what is repeated of one.
	maxMessage = 1000
	maxStart   = 80

	maintenanceHeader = "X-Atlassian-Maintenance-Token"
)

// Config says how an instance is reached.
type Config struct {
	// URL of the instance, with its context path if it has one.
	URL string
	// Direct: the URL is known to lead to a node itself, so that signs of a
	// proxy are of no interest.
	Direct bool
	// Username and Password for basic authentication, or Token alone.
	Username        string
	Password, Token secret.String
	// CAFile holds certificates to trust besides the system's; may be "".
	CAFile string
	// UserAgent names this program and its version.
	UserAgent string
	// Transport makes the requests; nil for the network. Tests set it.
	Transport http.RoundTripper
}

// Client talks to one instance. It is safe for concurrent use.
type Client struct {
	base   *url.URL
	config Config
	// once makes one attempt; quick repeats what failed in passing a few times.
	once, quick *retryablehttp.Client
}

// New returns a client; nothing is called yet.
func New(c Config) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(c.URL, "/"))
	if err != nil || base.Host == "" {
		return nil, problem.New("bad instance url", fmt.Sprintf("%q is not an http or https address", c.URL),
			`write it as in the browser: url = "https://bitbucket.example.com"`)
	}
	transport := c.Transport
	if transport == nil {
		if transport, err = newTransport(c.CAFile); err != nil {
			return nil, err
		}
	}
	h := &http.Client{Transport: debuglog.Transport{RoundTripper: transport}, Timeout: callTimeout, CheckRedirect: sameHostOnly}
	return &Client{
		base: base, config: c,
		once:  retrying(h, 0),
		quick: retrying(h, 3),
	}, nil
}

// Close gives up idle connections. The client may be used again.
func (c *Client) Close() { c.once.HTTPClient.CloseIdleConnections() }

func newTransport(caFile string) (*http.Transport, error) {
	t := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // documented to be one
	// A poll must not wait behind another call.
	t.MaxIdleConnsPerHost = 4
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, problem.Wrap(err, "certificates cannot be read", "set ca_file of the tls block to a PEM file that this user can read")
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, problem.New("certificates cannot be read", caFile+" holds no PEM certificate", "set ca_file of the tls block to a PEM file with the authority's certificate")
	}
	t.TLSClientConfig.RootCAs = pool
	return t, nil
}

// sameHostOnly keeps credentials at home: a redirect to another host or to
// plain http is refused, and a call that changes something is never replayed.
func sameHostOnly(req *http.Request, via []*http.Request) error {
	first := via[0]
	if req.URL.Host != first.URL.Host || req.URL.Scheme != first.URL.Scheme || first.Method != http.MethodGet {
		return http.ErrUseLastResponse
	}
	if len(via) >= 5 {
		return errors.New("more than 5 redirects")
	}
	return nil
}

func retrying(h *http.Client, attempts int) *retryablehttp.Client {
	r := retryablehttp.NewClient()
	r.HTTPClient, r.Logger, r.RetryMax = h, nil, attempts
	r.RetryWaitMin, r.RetryWaitMax = 100*time.Millisecond, 5*time.Second
	r.ErrorHandler = retryablehttp.PassthroughErrorHandler
	// Retry-After is meant for users: an instance that comes back is not to
	// stay locked for half a minute more.
	r.Backoff = func(least, most time.Duration, attempt int, _ *http.Response) time.Duration {
		return retryablehttp.DefaultBackoff(least, most, attempt, nil)
	}
	r.CheckRetry = func(ctx context.Context, resp *http.Response, err error) (bool, error) {
		switch {
		case ctx.Err() == nil:
		case err == nil:
			return false, nil // the reply that came counts: it may hold a token
		default:
			return false, ctx.Err()
		}
		return err != nil && transient(err) || resp != nil && resp.StatusCode >= 500, nil
	}
	return r
}

// transient reports whether the same call may succeed a moment later.
func transient(err error) bool {
	var cert *tls.CertificateVerificationError
	var dns *net.DNSError
	switch {
	case errors.As(err, &cert):
		return false
	case errors.As(err, &dns):
		return dns.IsTemporary || dns.IsTimeout
	default:
		return true
	}
}

// call is one request. out may be nil.
type call struct {
	method, path string
	query        url.Values
	lease        *Lease
	noAuth       bool
	// secretReply: the reply holds a token, so no part of it is ever shown.
	secretReply bool
	out         any
	// complete reports whether out holds what a reply of Bitbucket has; nil
	// where any JSON will do.
	complete func() bool
	// seen gets the headers of a 2xx reply; may be nil.
	seen func(http.Header)
}

// do sends the call and decodes the reply into k.out. Its errors are
// *StatusError for a reply outside 2xx, *ReplyError for a 2xx reply that
// Bitbucket does not give for this call, and whatever the transport gave.
func (c *Client) do(ctx context.Context, via *retryablehttp.Client, k call) error {
	u := c.base.JoinPath(k.path)
	u.RawQuery = k.query.Encode()
	req, err := retryablehttp.NewRequestWithContext(ctx, k.method, u.String(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.config.UserAgent)
	if debuglog.On(ctx) {
		debuglog.Hide(ctx, c.secrets(k)...)
	}
	if k.lease != nil {
		req.Header.Set(maintenanceHeader, k.lease.UnlockToken.Reveal())
	}
	if !k.noAuth {
		c.authenticate(req)
	}
	resp, err := via.Do(req)
	if err != nil {
		return c.transportError(k, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return c.transportError(k, err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return &StatusError{
			Call: k.method + " " + k.path, Status: resp.StatusCode, Message: clip(c.redact(k, message(body)), maxMessage),
			Location: clip(c.redact(k, bare(resp.Header.Get("Location"))), maxMessage),
			owner:    ownerOf(body), refusal: refusal(resp.Header, body),
		}
	}
	if k.seen != nil {
		k.seen(resp.Header)
	}
	if err := decode(k, resp.Header, body); err != nil {
		e := &ReplyError{Call: k.method + " " + k.path, Cause: err}
		if !k.secretReply {
			e.Start = clip(c.redact(k, string(bytes.TrimSpace(body))), maxStart)
		}
		return e
	}
	return nil
}

// redact takes every secret that the call had out of text that somebody else
// wrote: a server or a proxy may quote what it was sent.
func (c *Client) redact(k call, text string) string { return secret.Redact(text, c.secrets(k)...) }

// secrets are those that a call has, also as they are written in an address.
func (c *Client) secrets(k call) []secret.String {
	basic := c.config.Username + ":" + c.config.Password.Reveal()
	out := []secret.String{c.config.Password, c.config.Token, secret.New(base64.StdEncoding.EncodeToString([]byte(basic)))}
	if k.lease != nil {
		out = append(out, k.lease.UnlockToken, k.lease.CancelToken)
	}
	for _, s := range out {
		out = append(out, secret.New(url.QueryEscape(s.Reveal())))
	}
	return out
}

// bare is an address without its query, which repeats that of the call and so
// may hold a token.
func bare(location string) string {
	u, err := url.Parse(location)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

func (c *Client) authenticate(req *retryablehttp.Request) {
	if c.config.Token.Reveal() != "" {
		req.Header.Set("Authorization", "Bearer "+c.config.Token.Reveal())
		return
	}
	req.SetBasicAuth(c.config.Username, c.config.Password.Reveal())
}

// transportError drops the address from err: its query may hold a token.
func (c *Client) transportError(k call, err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	return fmt.Errorf("%s %s at %s: %w", k.method, k.path, c.base.Host, c.redacted(k, err))
}

// redacted is err with another text, if that held a secret: the transport quotes
// headers that it cannot read.
func (c *Client) redacted(k call, err error) error {
	text := err.Error()
	if clean := clip(c.redact(k, text), maxMessage); clean != text {
		return &redactedError{clean, err}
	}
	return err
}

type redactedError struct {
	text string
	err  error
}

// Error is the text without secrets.
func (e *redactedError) Error() string { return e.text }

// Unwrap returns the error itself.
func (e *redactedError) Unwrap() error { return e.err }

// neverSent reports whether the call did not reach the instance: there was no
// connection to send it on.
func neverSent(err error) bool {
	var op *net.OpError
	var cert *tls.CertificateVerificationError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &cert)
}

// underWay reports whether the instance may still be at the call: nobody waited for
// its end.
func underWay(err error) bool {
	var n net.Error
	gaveUp := status(err) == http.StatusGatewayTimeout || status(err) == http.StatusRequestTimeout
	return errors.As(err, &n) && n.Timeout() || errors.Is(err, context.DeadlineExceeded) || gaveUp
}

// message takes the words out of an error reply, in either of Bitbucket's forms.
func message(body []byte) string {
	var reply struct {
		Errors  []struct{ Message string } `json:"errors"`
		Message string                     `json:"message"`
	}
	if json.Unmarshal(body, &reply) == nil {
		var all []string
		for _, e := range reply.Errors {
			all = append(all, e.Message)
		}
		if reply.Message != "" {
			all = append(all, reply.Message)
		}
		if len(all) > 0 {
			return strings.Join(all, "; ")
		}
	}
	return ""
}

func ownerOf(body []byte) Owner {
	var reply struct {
		Owner Owner `json:"owner"`
	}
	_ = json.Unmarshal(body, &reply)
	return reply.Owner
}

// clip shortens text. What is to be redacted must be gone by then: of a secret
// that is cut in two, the first part would stay.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

package post

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"bkp/internal/debuglog"
	"bkp/internal/problem"
	"bkp/internal/secret"
)

// Request is one message.
type Request struct {
	Method string
	// URL may hold a secret: no error shows it.
	URL     secret.String
	Header  http.Header
	Body    string
	Timeout time.Duration
	// CAFile is the authority of the server, "" for those of the system.
	CAFile string
	// Secrets are what else must be in no error.
	Secrets []secret.String
}

// attempts is how often a server is asked that does not take a message.
const attempts = 3

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 4 << 10

// maxQuoted bounds what an error has of it, in bytes.
const maxQuoted = 200

// redirected is an answer that sends the message to another address.
type redirected struct{ to string }

func (r redirected) Error() string {
	return "it answers with a redirect to " + r.to + ", and the message is not sent on, because its address and its headers may be secret"
}

// Send sends the request, up to three times within its time. A redirect is an
// error: a secret in a header or in the address is for one server.
func Send(ctx context.Context, r Request) error {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	if debuglog.On(ctx) {
		debuglog.Hide(ctx, r.hidden()...)
	}
	client, err := clientFor(r.CAFile)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	_, err = backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, once(ctx, client, r) },
		backoff.WithMaxTries(attempts), backoff.WithBackOff(backoff.NewExponentialBackOff()))
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s: %w", r.Timeout, err)
	}
	remedy := "check the address, and that this machine reaches the server"
	if to := (redirected{}); errors.As(err, &to) {
		remedy = "give the address that it redirects to"
	}
	return problem.New("message was not sent", secret.Redact(fmt.Sprintf("%s: %v", hostOf(r.URL), err), r.hidden()...), remedy)
}

// hidden are the secrets of a request, also as they stand in an error about a part
// of its address.
func (r Request) hidden() []secret.String {
	out := append([]secret.String{r.URL}, r.Secrets...)
	u, err := url.Parse(r.URL.Reveal())
	if err != nil {
		return out
	}
	for _, part := range []string{u.RawQuery, strings.Trim(u.EscapedPath(), "/"), strings.Trim(u.Path, "/")} {
		if len(part) > 3 { // a shorter one guards nothing, and would spoil words
			out = append(out, secret.New(part))
		}
	}
	if pass, ok := u.User.Password(); ok {
		out = append(out, secret.New(pass))
	}
	return out
}

func hostOf(address secret.String) string {
	u, err := url.Parse(address.Reveal())
	if err != nil || u.Host == "" {
		return "the server"
	}
	return u.Host
}

func clientFor(caFile string) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if caFile != "" {
		pool, err := Authorities(caFile)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: debuglog.Transport{RoundTripper: transport, SecretPath: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, nil
}

// once is one attempt. An error that another attempt cannot change is permanent.
func once(ctx context.Context, client *http.Client, r Request) error {
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL.Reveal(), strings.NewReader(r.Body))
	if err != nil {
		return backoff.Permanent(errors.New("the address cannot be used")) // the cause has the address
	}
	req.Header = r.Header.Clone()
	resp, err := client.Do(req)
	var where *url.Error
	if errors.As(err, &where) {
		return where.Err // without the address
	}
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return answered(resp, string(answer))
}

func answered(resp *http.Response, answer string) error {
	switch code := resp.StatusCode; {
	case code/100 == 2:
		return nil
	case code/100 == 3:
		to, err := resp.Location()
		if err != nil {
			return backoff.Permanent(redirected{"an address that it does not name"})
		}
		return backoff.Permanent(redirected{to.Host})
	case code == http.StatusTooManyRequests || code/100 == 5:
		return fmt.Errorf("answer %s%s", resp.Status, said(answer))
	default:
		return backoff.Permanent(fmt.Errorf("answer %s%s", resp.Status, said(answer)))
	}
}

// said quotes the beginning of an answer.
func said(answer string) string {
	answer = strings.TrimSpace(answer)
	if answer == "" {
		return ""
	}
	return ": " + strconv.Quote(answer[:min(len(answer), maxQuoted)])
}

// CheckURL says what is wrong with an address, without showing it; "" is nothing.
func CheckURL(address secret.String) string {
	u, err := url.Parse(address.Reveal())
	switch {
	case address.Reveal() == "":
		return "the address is empty"
	case err != nil || u.Host == "":
		return "the address is no URL"
	case u.Scheme != "http" && u.Scheme != "https":
		return "the address does not begin with https:// or http://"
	}
	return ""
}

// Authorities reads the certificates of a PEM file.
func Authorities(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, problem.Wrap(err, "authority cannot be read", "give a PEM file that the user who runs bkp may read")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, problem.New("authority cannot be read", file+" holds no certificate", "give a PEM file of the authority that signed the server's certificate")
	}
	return pool, nil
}

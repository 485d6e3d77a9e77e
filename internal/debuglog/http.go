package debuglog

import (
	"log/slog"
	"net/http"
	"time"
)

// Transport logs each request that passes: its method, host and path, the status of the
// reply or the error, and how long the headers of the reply took. It logs no query, no
// header and no body, because those may hold secrets.
type Transport struct {
	http.RoundTripper

	// SecretPath is set if the path of addresses is a secret, as that of a webhook.
	SecretPath bool
}

// RoundTrip implements http.RoundTripper.
func (t Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	log := From(r.Context())
	if !log.Enabled(r.Context(), slog.LevelDebug) {
		return t.RoundTripper.RoundTrip(r)
	}
	path := r.URL.Path
	if t.SecretPath {
		path = ""
	}
	begun := time.Now()
	resp, err := t.RoundTripper.RoundTrip(r)
	line := log.With("method", r.Method, "host", r.URL.Host, "path", path, "took", took(begun))
	if err != nil {
		line.Debug("http", "error", err)
	} else {
		line.Debug("http", "status", resp.StatusCode)
	}
	return resp, err
}

// CloseIdleConnections passes on what http.Client asks of a transport.
func (t Transport) CloseIdleConnections() {
	if c, ok := t.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// took is the time since then, as far as it matters.
func took(begun time.Time) time.Duration { return time.Since(begun).Round(time.Microsecond) }

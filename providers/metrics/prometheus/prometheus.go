// Package prometheus is the strategy metrics "prometheus": the figures of runs as a
// file for node_exporter's textfile collector, in a Pushgateway, or both.
//
// It leaves out which figures there are (internal/engine).
package prometheus

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"bkp/internal/post"
	"bkp/internal/problem"
	"bkp/internal/secret"
	"bkp/providers"
)

// Config is the block metrics "prometheus".
type Config struct {
	Textfile    string        `hcl:"textfile,optional" help:"folder of node_exporter's textfile collector; bkp writes bkp_INSTANCE.prom there" unset:"no file is written" example:"/var/lib/prometheus/node-exporter"`
	Pushgateway string        `hcl:"pushgateway,optional" help:"base URL of a Pushgateway" unset:"nothing is pushed" example:"http://pushgateway.example.com:9091"`
	Username    string        `hcl:"username,optional" help:"name for basic authentication at the Pushgateway" unset:"none is sent"`
	Password    secret.String `hcl:"password,optional" help:"password for basic authentication at the Pushgateway" unset:"none is sent"`
	Timeout     time.Duration `hcl:"timeout,optional" help:"how long a push may take, with all attempts"`
	TLS         TLS           `hcl:"tls,block" help:"how the certificate of the Pushgateway is verified"`
}

// TLS says how the certificate of the Pushgateway is verified.
type TLS struct {
	CAFile string `hcl:"ca_file,optional" help:"PEM file of the authority that signed the server's certificate" unset:"the system's authorities"`
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Meters, "prometheus", "for Prometheus, in a file or through a Pushgateway", Config{Timeout: 15 * time.Second},
		func(cfg Config, _ providers.Env) (providers.Meter, error) { return meter{cfg}, nil })
}

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	var out []providers.ConfigProblem
	add := func(summary, detail, remedy string, rests ...string) {
		out = append(out, providers.ConfigProblem{Attribute: rests[0], Rests: rests, Summary: summary, Detail: detail, Remedy: remedy})
	}
	if c.Textfile == "" && c.Pushgateway == "" {
		add("figures go nowhere", "neither textfile nor pushgateway is set", "set one of them, or both", "textfile", "pushgateway")
	}
	if strings.HasSuffix(c.Textfile, ".prom") {
		add("textfile is a folder", c.Textfile+" has the name of a file", "give the folder: each instance has a file of its own in it", "textfile")
	}
	if u, err := url.Parse(c.Pushgateway); c.Pushgateway != "" && (err != nil || u.User != nil || post.CheckURL(secret.New(c.Pushgateway)) != "") {
		out = append(out, providers.ConfigProblem{Rests: []string{"pushgateway"}, Summary: "invalid URL", Detail: "that of pushgateway",
			Remedy: "write it as http://pushgateway.example.com:9091; credentials have attributes of their own"})
	}
	if (c.Username != "") != c.Password.IsSet() {
		add("half of the credentials", "a username goes with a password", "set both, or neither", "username", "password")
	}
	if c.Timeout <= 0 || c.Timeout > 5*time.Minute {
		add("push has no time, or too much", "the timeout is "+c.Timeout.String(), "give up to 5m, because the end of a run waits for it", "timeout")
	}
	return out
}

type meter struct{ Config }

var _ providers.Meter = meter{}

// Record implements providers.Meter.
func (m meter) Record(ctx context.Context, figures providers.Measures) error {
	var failed []error
	if m.Textfile != "" {
		failed = append(failed, m.write(figures))
	}
	if m.Pushgateway != "" {
		failed = append(failed, m.push(ctx, figures))
	}
	return errors.Join(failed...)
}

// write replaces the file by rename, so that the collector never reads a part.
func (m meter) write(figures providers.Measures) error {
	path := filepath.Join(m.Textfile, "bkp_"+figures.Instance+".prom")
	if err := replace(path, []byte(Text(figures))); err != nil {
		return problem.Wrap(err, "metrics were not written", "make the folder, and let the user that runs bkp write there")
	}
	return nil
}

// push replaces the group of the instance. The gateway adds the labels of the group.
func (m meter) push(ctx context.Context, figures providers.Measures) error {
	at := strings.TrimRight(m.Pushgateway, "/") + "/metrics/job/bkp/bitbucket/" + url.PathEscape(figures.Instance)
	r := post.Request{
		Method: http.MethodPut, URL: secret.New(at), Header: http.Header{"Content-Type": {"text/plain; version=0.0.4; charset=utf-8"}},
		Body: Text(figures), Timeout: m.Timeout, CAFile: m.TLS.CAFile, Secrets: []secret.String{m.Password},
	}
	if m.Username != "" {
		request := http.Request{Header: r.Header}
		request.SetBasicAuth(m.Username, m.Password.Reveal())
		r.Secrets = append(r.Secrets, secret.New(r.Header.Get("Authorization")))
	}
	return post.Send(ctx, r)
}

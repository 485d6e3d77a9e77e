// Package webhook is the strategy notify "webhook": a request with a body of one's
// own to any server.
package webhook

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"bkp/internal/post"
	"bkp/internal/problem"
	"bkp/internal/secret"
	"bkp/providers"
	"bkp/providers/notify"
)

// Config is the block notify "webhook".
type Config struct {
	URL secret.String `hcl:"url" help:"where the notice goes" example:"WEBHOOK_URL"`
	notify.Options
	Method      string        `hcl:"method,optional" help:"POST or PUT"`
	Body        string        `hcl:"body,optional" help:"template of the body: {{.Summary}}, {{json .}}; see the guide" unset:"the notice as JSON"`
	ContentType string        `hcl:"content_type,optional" help:"type of the body"`
	Token       secret.String `hcl:"token,optional" help:"sent as Authorization: Bearer" unset:"none is sent" example:"WEBHOOK_TOKEN"`
	Username    string        `hcl:"username,optional" help:"name for basic authentication" unset:"none is sent"`
	Password    secret.String `hcl:"password,optional" help:"password for basic authentication" unset:"none is sent"`
	TLS         notify.TLS    `hcl:"tls,block" help:"how the server's certificate is verified"`
	Headers     []Header      `hcl:"header,block" help:"one more header"`
}

// Header is a header of the request.
type Header struct {
	Name  string        `hcl:"name" help:"its name"`
	Value secret.String `hcl:"value" help:"its value, often a key"`
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Notifiers, "webhook", "with a request to a server, with a body of one's own",
		Config{Options: notify.Defaults(), Method: http.MethodPost, ContentType: "application/json"},
		func(cfg Config, _ providers.Env) (providers.Notifier, error) { return notifier{cfg}, nil })
}

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	out := slices.Concat(c.Problems(), notify.URLProblems("url", c.URL), notify.TemplateProblems("body", c.Body))
	if c.Method != http.MethodPost && c.Method != http.MethodPut {
		out = append(out, providers.ConfigProblem{Attribute: "method", Rests: []string{"method"}, Summary: "unknown method",
			Detail: fmt.Sprintf("%q cannot carry a notice", c.Method), Remedy: "use POST or PUT"})
	}
	if c.Token.IsSet() && (c.Username != "" || c.Password.IsSet()) {
		out = append(out, providers.ConfigProblem{Attribute: "token", Rests: []string{"token", "username", "password"}, Summary: "two kinds of credentials",
			Detail: "both would be the header Authorization", Remedy: "use a token, or a username and a password"})
	}
	if (c.Username != "") != c.Password.IsSet() && !c.Token.IsSet() {
		out = append(out, providers.ConfigProblem{Attribute: "username", Rests: []string{"token", "username", "password"}, Summary: "half of the credentials",
			Detail: "a username goes with a password", Remedy: "set both, or neither"})
	}
	return out
}

type notifier struct{ Config }

var _ providers.Notifier = notifier{}

// Notify implements providers.Notifier.
func (w notifier) Notify(ctx context.Context, n providers.Notice) error {
	template := w.Body
	if template == "" {
		template = "{{json .}}"
	}
	body, err := notify.Render(template, w.Linked(n))
	if err != nil {
		return problem.Wrap(err, "template cannot be used", "correct the body of the block")
	}
	r := post.Request{Method: w.Method, URL: w.URL, Header: http.Header{}, Body: body, Timeout: w.Timeout, CAFile: w.TLS.CAFile}
	r.Header.Set("Content-Type", w.ContentType)
	r.Header.Set("User-Agent", "bkp/"+n.Tool)
	switch {
	case w.Token.IsSet():
		r.Header.Set("Authorization", "Bearer "+w.Token.Reveal())
		r.Secrets = append(r.Secrets, w.Token)
	case w.Username != "":
		request := http.Request{Header: r.Header}
		request.SetBasicAuth(w.Username, w.Password.Reveal())
		r.Secrets = append(r.Secrets, w.Password, secret.New(r.Header.Get("Authorization")))
	}
	for _, h := range w.Headers {
		r.Header.Set(h.Name, h.Value.Reveal())
		r.Secrets = append(r.Secrets, h.Value)
	}
	return post.Send(ctx, r)
}

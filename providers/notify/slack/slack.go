// Package slack is the strategy notify "slack": a message through an incoming
// webhook of Slack, or of Mattermost and Rocket.Chat, which take the same.
package slack

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"bkp/internal/post"
	"bkp/internal/problem"
	"bkp/internal/secret"
	"bkp/providers"
	"bkp/providers/notify"
)

// Config is the block notify "slack".
type Config struct {
	URL secret.String `hcl:"url" help:"address of the incoming webhook; a person who has it can write into the channel" example:"SLACK_WEBHOOK_URL"`
	notify.Options
	Template string     `hcl:"template,optional" help:"template of the message: {{.Summary}}, {{text .}}; see the guide" unset:"summary, text and facts"`
	TLS      notify.TLS `hcl:"tls,block" help:"how the server's certificate is verified"`
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Notifiers, "slack", "in a channel of Slack, Mattermost or Rocket.Chat", Config{Options: notify.Defaults()},
		func(cfg Config, _ providers.Env) (providers.Notifier, error) { return notifier{cfg}, nil })
}

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	return slices.Concat(c.Problems(), notify.URLProblems("url", c.URL), notify.TemplateProblems("template", c.Template))
}

// maxText is what a message may have, in bytes: Slack takes 40,000 characters and
// cuts a longer one by itself, wherever that is.
const maxText = 12_000

// control are the characters that mean something in a message of Slack.
var control = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

type notifier struct{ Config }

var _ providers.Notifier = notifier{}

// Notify implements providers.Notifier.
func (s notifier) Notify(ctx context.Context, n providers.Notice) error {
	text, err := s.text(s.Linked(n))
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{"text": notify.Shorten(text, maxText)})
	if err != nil {
		return err
	}
	return post.Send(ctx, post.Request{
		Method: http.MethodPost, URL: s.URL, Header: http.Header{"Content-Type": {"application/json"}, "User-Agent": {"bkp/" + n.Tool}},
		Body: string(body), Timeout: s.Timeout, CAFile: s.TLS.CAFile,
	})
}

func (s notifier) text(n providers.Notice) (string, error) {
	if s.Template == "" {
		return "*" + control.Replace(n.Summary) + "*\n" + control.Replace(notify.Text(n)), nil
	}
	text, err := notify.Render(s.Template, n)
	if err != nil {
		return "", problem.Wrap(err, "template cannot be used", "correct the template of the block")
	}
	return control.Replace(text), nil
}

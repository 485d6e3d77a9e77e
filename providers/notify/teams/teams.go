// Package teams is the strategy notify "teams": a card in a channel or a chat of
// Microsoft Teams, through the webhook of a workflow.
package teams

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

// Config is the block notify "teams".
type Config struct {
	URL secret.String `hcl:"url" help:"address of the workflow \"when a Teams webhook request is received\"; a person who has it can write into the channel" example:"TEAMS_WEBHOOK_URL"`
	notify.Options
	Template string     `hcl:"template,optional" help:"template of the text of the card: {{.Detail}}, {{text .}}; see the guide" unset:"detail, what to do and warnings"`
	TLS      notify.TLS `hcl:"tls,block" help:"how the server's certificate is verified"`
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Notifiers, "teams", "in a channel of Microsoft Teams", Config{Options: notify.Defaults()},
		func(cfg Config, _ providers.Env) (providers.Notifier, error) { return notifier{cfg}, nil })
}

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	return slices.Concat(c.Problems(), notify.URLProblems("url", c.URL), notify.TemplateProblems("template", c.Template))
}

// maxText is what the text of a card may have, in bytes: Teams takes messages of
// 28 kB.
const maxText = 12_000

type notifier struct{ Config }

var _ providers.Notifier = notifier{}

// message is what a workflow takes: an adaptive card in an envelope.
type message struct {
	Type        string       `json:"type"`
	Attachments []attachment `json:"attachments"`
}

type attachment struct {
	ContentType string `json:"contentType"`
	Content     card   `json:"content"`
}

type card struct {
	Schema  string    `json:"$schema"`
	Type    string    `json:"type"`
	Version string    `json:"version"`
	Body    []element `json:"body"`
}

type element struct {
	Type   string `json:"type"`
	Text   string `json:"text,omitempty"`
	Weight string `json:"weight,omitempty"`
	Size   string `json:"size,omitempty"`
	Color  string `json:"color,omitempty"`
	Wrap   bool   `json:"wrap,omitempty"`
	Facts  []fact `json:"facts,omitempty"`
}

type fact struct {
	Title string `json:"title"`
	Value string `json:"value"`
}

// Notify implements providers.Notifier.
func (t notifier) Notify(ctx context.Context, n providers.Notice) error {
	n = t.Linked(n)
	text, err := t.text(n)
	if err != nil {
		return err
	}
	title := element{Type: "TextBlock", Text: n.Summary, Weight: "Bolder", Size: "Medium", Color: colour(n.Occasion), Wrap: true}
	facts := element{Type: "FactSet"}
	for _, f := range notify.Facts(n) {
		facts.Facts = append(facts.Facts, fact{f.Name, f.Value})
	}
	elements := []element{title}
	if text != "" { // a card with an empty text is refused
		elements = append(elements, element{Type: "TextBlock", Text: lines(notify.Shorten(text, maxText)), Wrap: true})
	}
	body, err := json.Marshal(message{Type: "message", Attachments: []attachment{{
		ContentType: "application/vnd.microsoft.card.adaptive",
		Content: card{
			Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.4", Body: append(elements, facts),
		},
	}}})
	if err != nil {
		return err
	}
	return post.Send(ctx, post.Request{
		Method: http.MethodPost, URL: t.URL, Header: http.Header{"Content-Type": {"application/json"}, "User-Agent": {"bkp/" + n.Tool}},
		Body: string(body), Timeout: t.Timeout, CAFile: t.TLS.CAFile,
	})
}

func (t notifier) text(n providers.Notice) (string, error) {
	if t.Template == "" {
		return notify.Story(n), nil
	}
	text, err := notify.Render(t.Template, n)
	if err != nil {
		return "", problem.Wrap(err, "template cannot be used", "correct the template of the block")
	}
	return strings.TrimSpace(text), nil
}

// lines keeps the ends of lines, which Teams reads as Markdown does.
func lines(text string) string { return strings.ReplaceAll(text, "\n", "\n\n") }

// colour never says anything alone: the title says it in words.
func colour(o providers.Occasion) string {
	switch o {
	case providers.Success, providers.Recovered:
		return "Good"
	case providers.Warned, providers.Overdue:
		return "Warning"
	default:
		return "Attention"
	}
}

// Package email is the strategy notify "email": a mail through an SMTP server.
//
// It leaves out delivery: the server answers that it has the mail, and what becomes
// of it is the server's.
package email

import (
	"fmt"
	"net/mail"
	"slices"
	"strings"

	"bkp/internal/secret"
	"bkp/providers"
	"bkp/providers/notify"
)

// The ways of encryption.
const (
	modeSTARTTLS = "starttls"
	modeTLS      = "tls"
	modeNone     = "none"
)

// Config is the block notify "email".
type Config struct {
	SMTPHost string   `hcl:"host" help:"SMTP server" example:"smtp.example.com"`
	Port     int      `hcl:"port,optional" help:"its port: 587 for mode starttls, 465 for tls, 25 for none" unset:"that of the mode"`
	From     string   `hcl:"from" help:"sender" example:"bkp <bkp@example.com>"`
	To       []string `hcl:"to" help:"who gets the mail" example:"[\"ops@example.com\"]"`
	notify.Options
	Username string        `hcl:"username,optional" help:"account at the server" unset:"bkp does not log in" example:"bkp"`
	Password secret.String `hcl:"password,optional" help:"its password" unset:"bkp does not log in" example:"SMTP_PASSWORD"`
	Subject  string        `hcl:"subject,optional" help:"template of the subject"`
	Template string        `hcl:"template,optional" help:"template of the text: {{.Detail}}, {{text .}}; see the guide" unset:"text and facts"`
	TLS      TLS           `hcl:"tls,block" help:"how the connection is encrypted"`
}

// TLS says how the connection is encrypted.
type TLS struct {
	Mode string `hcl:"mode,optional" help:"starttls: encrypted before anything else, or not at all; tls: from the first byte; none: not encrypted, and no login"`
	notify.TLS
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Notifiers, "email", "by mail",
		Config{Options: notify.Defaults(), Subject: "[bkp] {{.Summary}}", TLS: TLS{Mode: modeSTARTTLS}},
		func(cfg Config, _ providers.Env) (providers.Notifier, error) { return notifier{cfg}, nil })
}

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	out := slices.Concat(c.Problems(), notify.TemplateProblems("subject", c.Subject), notify.TemplateProblems("template", c.Template), c.checkLogin())
	add := func(attribute, summary, detail, remedy string) {
		out = append(out, providers.ConfigProblem{Attribute: attribute, Rests: []string{attribute}, Summary: summary, Detail: detail, Remedy: remedy})
	}
	const form = `write name@example.com, or "Name <name@example.com>"`
	if _, err := mail.ParseAddress(c.From); err != nil {
		add("from", "invalid mail address", fmt.Sprintf("%q is none", c.From), form)
	}
	for _, to := range c.To {
		if _, err := mail.ParseAddress(to); err != nil {
			add("to", "invalid mail address", fmt.Sprintf("%q is none", to), form)
		}
	}
	if len(c.To) == 0 {
		add("to", "nobody gets the mail", "the list to is empty", "add an address")
	}
	if c.SMTPHost == "" || strings.ContainsAny(c.SMTPHost, ":/@ ") {
		add("host", "invalid host", fmt.Sprintf("%q is no name of a server", c.SMTPHost), "give the name alone; the port has an attribute of its own")
	}
	if c.Port < 0 || c.Port > 65535 {
		add("port", "invalid port", fmt.Sprintf("%d is none", c.Port), "give a number from 1 to 65535")
	}
	if modes := []string{modeSTARTTLS, modeTLS, modeNone}; !slices.Contains(modes, c.TLS.Mode) {
		add("tls", "unknown mode", fmt.Sprintf("there is no mode %q", c.TLS.Mode), "use one of "+strings.Join(modes, ", "))
	}
	return out
}

func (c *Config) checkLogin() []providers.ConfigProblem {
	rests := []string{"username", "password", "tls.mode"}
	switch {
	case (c.Username != "") != c.Password.IsSet():
		return []providers.ConfigProblem{{Attribute: "username", Rests: rests, Summary: "half of the credentials", Detail: "a username goes with a password", Remedy: "set both, or neither"}}
	case c.Username != "" && c.TLS.Mode == modeNone:
		return []providers.ConfigProblem{{Attribute: "tls", Rests: rests, Summary: "password without encryption",
			Detail: "with mode none the password would pass the network readable", Remedy: "use mode starttls or tls, or do not log in"}}
	}
	return nil
}

// port is the declared one, or that of the mode.
func (c *Config) port() int {
	switch {
	case c.Port != 0:
		return c.Port
	case c.TLS.Mode == modeTLS:
		return 465
	case c.TLS.Mode == modeNone:
		return 25
	default:
		return 587
	}
}

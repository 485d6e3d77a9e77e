// Package healthchecks is the strategy notify "healthchecks": pings at the start and
// at the end of each run for a service that notices when one does not come, such as
// Healthchecks, hosted or self-hosted.
package healthchecks

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"bkp/internal/post"
	"bkp/internal/problem"
	"bkp/internal/secret"
	"bkp/providers"
	"bkp/providers/notify"
)

// Config is the block notify "healthchecks".
type Config struct {
	URL     secret.String `hcl:"url" help:"ping URL of the check, without /start or /fail; one check for each instance" example:"HEALTHCHECKS_URL"`
	Of      string        `hcl:"of,optional" help:"what the check is for: backup, drill, or prune"`
	Timeout time.Duration `hcl:"timeout,optional" help:"how long a ping may take, with all attempts"`
	TLS     notify.TLS    `hcl:"tls,block" help:"how the server's certificate is verified"`
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Notifiers, "healthchecks", "with pings at start and end, so that silence is noticed",
		Config{Of: string(providers.OfBackup), Timeout: notify.DefaultTimeout},
		func(cfg Config, _ providers.Env) (providers.Notifier, error) { return notifier{cfg}, nil })
}

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	out := append(notify.URLProblems("url", c.URL), notify.TimeoutProblems(c.Timeout)...)
	kinds := []string{string(providers.OfBackup), string(providers.OfDrill), string(providers.OfPrune)}
	if !slices.Contains(kinds, c.Of) {
		out = append(out, providers.ConfigProblem{Attribute: "of", Rests: []string{"of"}, Summary: "unknown run",
			Detail: fmt.Sprintf("there are no pings for %q", c.Of), Remedy: "use one of " + strings.Join(kinds, ", ")})
	}
	return out
}

// maxBody is what the service keeps of a body, in bytes.
const maxBody = 10_000

type notifier struct{ Config }

var _ providers.Notifier = notifier{}

// Wants implements providers.Notifier. An instance that may be locked is a failure
// of the backup, and a recovery is no run of the check.
func (h notifier) Wants(n providers.Notice) bool {
	_, known := suffix(n.Occasion)
	return known && string(n.Operation) == h.Of
}

// suffix is what the address of a ping ends in.
func suffix(o providers.Occasion) (string, bool) {
	switch o {
	case providers.Begun:
		return "/start", true
	case providers.Success, providers.Warned:
		return "", true
	case providers.Failure, providers.MayBeLocked, providers.DrillFailed:
		return "/fail", true
	default:
		return "", false
	}
}

// Notify implements providers.Notifier.
func (h notifier) Notify(ctx context.Context, n providers.Notice) error {
	end, _ := suffix(n.Occasion)
	u, err := url.Parse(h.URL.Reveal())
	if err != nil {
		return problem.New("invalid URL", "the ping URL cannot be used", "copy it from the check") // the cause would show it
	}
	u.Path = strings.TrimRight(u.Path, "/") + end
	body := ""
	if n.Occasion != providers.Begun {
		body = notify.Shorten(n.Summary+"\n\n"+notify.Text(n), maxBody)
	}
	return post.Send(ctx, post.Request{
		Method: http.MethodPost, URL: secret.New(u.String()), Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}, "User-Agent": {"bkp/" + n.Tool}},
		Body: body, Timeout: h.Timeout, CAFile: h.TLS.CAFile, Secrets: []secret.String{h.URL},
	})
}

package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"bkp/internal/secret"
	"bkp/providers"
)

// DefaultTimeout bounds one notice with all its attempts. The beginning of a run
// waits for a service that notices silence, so it is short.
const DefaultTimeout = 15 * time.Second

// maxTimeout is the longest that a run may wait for a notice at its end.
const maxTimeout = 5 * time.Minute

// Options are what every block takes; it embeds them.
type Options struct {
	On      []string      `hcl:"on,optional" help:"which notices to send: success, warning (a success with a warning), failure, may_be_locked, recovery, drill_failed, overdue"`
	Timeout time.Duration `hcl:"timeout,optional" help:"how long a notice may take, with all attempts"`
	// ReportURL is where people find what bkp report writes.
	ReportURL string `hcl:"report_url,optional" help:"address at which people find the page of bkp report --html; each notice names it" unset:"no notice names one" example:"https://intranet.example.com/bkp.html"`
}

// Defaults send all that asks for attention.
func Defaults() Options {
	return Options{
		On: []string{
			string(providers.Warned), string(providers.Failure), string(providers.MayBeLocked), string(providers.Recovered),
			string(providers.DrillFailed), string(providers.Overdue),
		},
		Timeout: DefaultTimeout,
	}
}

// Wants reports whether the block asks for the notice's occasion.
func (o Options) Wants(n providers.Notice) bool { return slices.Contains(o.On, string(n.Occasion)) }

// Linked is the notice with the address of the report.
func (o Options) Linked(n providers.Notice) providers.Notice {
	n.Report = o.ReportURL
	return n
}

// Problems are what is wrong with the options.
func (o Options) Problems() []providers.ConfigProblem {
	var out []providers.ConfigProblem
	for _, name := range o.On {
		if !slices.Contains(providers.Occasions(), name) {
			out = append(out, providers.ConfigProblem{
				Attribute: "on", Rests: []string{"on"}, Summary: "unknown occasion", Detail: fmt.Sprintf("there is no notice %q", name),
				Remedy: "use some of " + strings.Join(providers.Occasions(), ", "),
			})
		}
	}
	if len(o.On) == 0 {
		out = append(out, providers.ConfigProblem{
			Attribute: "on", Rests: []string{"on"}, Summary: "no notice is ever sent", Detail: "the list on is empty", Remedy: "leave on out, or remove the block",
		})
	}
	if o.ReportURL != "" {
		out = append(out, URLProblems("report_url", secret.New(o.ReportURL))...)
	}
	return append(out, TimeoutProblems(o.Timeout)...)
}

// TimeoutProblems refuse a time that is none, or that would hold up a run.
func TimeoutProblems(timeout time.Duration) []providers.ConfigProblem {
	if timeout > 0 && timeout <= maxTimeout {
		return nil
	}
	return []providers.ConfigProblem{{
		Attribute: "timeout", Rests: []string{"timeout"}, Summary: "notices have no time, or too much", Detail: fmt.Sprintf("the timeout is %s", timeout),
		Remedy: fmt.Sprintf("give up to %s, because the end of a run waits for it", maxTimeout),
	}}
}

// TLS says how the certificate of a server is verified.
type TLS struct {
	CAFile string `hcl:"ca_file,optional" help:"PEM file of the authority that signed the server's certificate" unset:"the system's authorities"`
}

package lang

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"bkp/internal/secret"
	"bkp/providers"
)

// The attributes of bkp's own blocks. They are read from structs, as those of
// the strategies are, so that one decoder serves both.
type (
	settings struct {
		StateDir string `hcl:"state_dir,optional" help:"folder of the journal, the catalog and the working copies" unset:"/var/lib/bkp for root, otherwise ~/.local/state/bkp or below $XDG_STATE_HOME"`
	}
	instanceSettings struct {
		URL            string        `hcl:"url" help:"base URL, such as https://bitbucket.example.com" example:"https://bitbucket.example.com"`
		MaintenanceURL string        `hcl:"maintenance_url,optional" help:"address of a node itself, past any proxy or load balancer, for all calls of bkp: a load balancer may take a node that is in maintenance out of service" unset:"url is used" example:"http://node1.example.com:7990"`
		Username       string        `hcl:"username,optional" help:"administrator whose name bkp uses" unset:"token is used" example:"backup"`
		Password       secret.String `hcl:"password,optional" help:"password of that administrator" unset:"token is used" example:"BITBUCKET_BACKUP_PASSWORD"`
		Token          secret.String `hcl:"token,optional" help:"HTTP access token of an administrator, instead of username and password" unset:"username and password are used"`
		CAFile         string        `hcl:"ca_file,optional" help:"PEM file of the authority that signed the server's certificate" unset:"the system's authorities"`
	}
	retentionSettings struct {
		KeepLast int `hcl:"keep_last" help:"number of backups to keep" example:"7"`
		MinSize  int `hcl:"min_size,optional" help:"percent of the bytes or repositories of the backups before it that a backup must hold to be counted by keep_last; 0 counts all"`
	}
)

var (
	settingsSchema  = providers.AttributesOf(settings{})
	instanceSchema  = providers.AttributesOf(instanceSettings{})
	lockSchema      = providers.AttributesOf(defaultLock)
	drillSchema     = providers.AttributesOf(defaultDrill)
	retentionSchema = providers.AttributesOf(defaultRetention)
)

// defaultRetention applies to what a retention block does not set.
var defaultRetention = retentionSettings{MinSize: 10}

// unfitVersion checks required_version, before all else. A constraint that is
// no constraint is reported with the other errors.
func (l *loader) unfitVersion(blocks []block) *hcl.Diagnostic {
	for _, b := range blocks {
		if b.Type != rootSettings || b.broken {
			continue
		}
		content, _, _ := b.Body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "required_version"}}})
		if a, ok := content.Attributes["required_version"]; ok {
			if d := l.unsatisfied(a); d != nil {
				return d
			}
		}
	}
	return nil
}

func (l *loader) unsatisfied(a *hcl.Attribute) *hcl.Diagnostic {
	want, ok := l.constraint(a)
	have := release(l.options.Version)
	// A pre-release of a version counts as that version.
	if !ok || have == nil || want.Check(have.Core()) {
		return nil
	}
	return problemAt(a.Expr.Range().Ptr(), "Unsupported version of bkp", fmt.Sprintf("This is bkp %s, and the configuration requires %s.", have, want),
		"Install a version that fits, or change required_version.")
}

func (l *loader) constraint(a *hcl.Attribute) (version.Constraints, bool) {
	val, ok := l.constant(a, cty.String)
	if !ok {
		return nil, false
	}
	want, err := version.NewConstraint(val.AsString())
	if err != nil {
		l.report(problemAt(a.Expr.Range().Ptr(), "Invalid version constraint", fmt.Sprintf("%q is not a constraint.", val.AsString()),
			`Write one such as ">= 0.1" or ">= 0.1, < 2.0".`))
		return nil, false
	}
	return want, true
}

// release returns nil for a build from a working tree: who has one knows what
// it can do.
func release(text string) *version.Version {
	v, err := version.NewVersion(text)
	if err != nil || v.Core().String() == "0.0.0" {
		return nil
	}
	return v
}

func (l *loader) settings(v *vertex) {
	if v.broken {
		return
	}
	i := &instance{vertex: v, address: rootSettings}
	var s settings
	if l.decodeAttrs(i, "", settingsSchema, &s) && s.StateDir != "" {
		l.config.StateDir = absolute(l.config.Dir, s.StateDir)
	}
}

// defaultStateDir is below /var/lib for root, and in the home of anybody else.
func (l *loader) defaultStateDir() string {
	if runtime.GOOS != "windows" && os.Geteuid() == 0 {
		return "/var/lib/bkp"
	}
	if dir, ok := l.options.LookupEnv("XDG_STATE_HOME"); ok && filepath.IsAbs(dir) {
		return filepath.Join(dir, "bkp")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = l.config.Dir
	}
	return filepath.Join(home, ".local", "state", "bkp")
}

func (l *loader) decodeRetention(i *instance) *Retention {
	s := defaultRetention
	if !l.decodeAttrs(i, "", retentionSchema, &s) {
		return nil
	}
	if s.KeepLast < 1 && len(l.config.open[i.address]) == 0 {
		l.report(problemAt(i.args["keep_last"].expr.Range().Ptr(), "Retention keeps nothing",
			fmt.Sprintf("%s keeps %d backups.", i.address, s.KeepLast), "Keep at least 1."))
		return nil
	}
	if s.MinSize < 0 || s.MinSize > 100 {
		l.report(problemAt(i.args["min_size"].expr.Range().Ptr(), "Not a share", fmt.Sprintf("%s: min_size is %d.", i.address, s.MinSize),
			"Give a number of percent from 0 to 100; 0 counts every backup."))
		return nil
	}
	l.config.resolved.setAll(i.address, "", retentionSchema, &s)
	return &Retention{Address: i.address, Name: i.label(), KeepLast: s.KeepLast, MinSize: s.MinSize, Range: i.rng, Attrs: i.ranges()}
}

func (l *loader) decodeComponent(i *instance) *Component {
	cfg := i.def.NewConfig()
	if !l.decodeAttrs(i, "", i.def.Attributes(), cfg) {
		return nil
	}
	c := &Component{
		Address: i.address, Kind: i.def.Kind, Type: i.typ, Name: i.label(),
		Config: cfg, Definition: i.def, Range: i.rng, Attrs: i.ranges(),
	}
	if v, ok := cfg.(providers.ConfigValidator); ok && len(l.config.open[i.address]) == 0 {
		problems := v.ValidateConfig()
		for _, p := range problems {
			at := c.Range
			if r, ok := c.Attrs[p.Attribute]; ok {
				at = r
			}
			l.report(l.redact(hcl.Diagnostics{problemAt(&at, sentenceCase(p.Summary), sentence(p.Detail), sentence(p.Remedy))})...)
		}
		if len(problems) > 0 {
			return nil
		}
	}
	l.config.resolved.setAll(i.address, "", i.def.Attributes(), cfg)
	i.components = append(i.components, c)
	return c
}

// label is the name, with the key of for_each after a dot, which no name has.
func (i *instance) label() string {
	if i.each == nil {
		return i.name
	}
	return i.name + "." + i.key
}

func (i *instance) ranges() map[string]hcl.Range {
	out := make(map[string]hcl.Range, len(i.args))
	for name, a := range i.args {
		out[name] = a.rng
	}
	return out
}

// checkURL tells what is wrong with the base URL of an instance.
func checkURL(text string) (detail, remedy string) {
	const form = "Write it as https://bitbucket.example.com, with the context path if there is one."
	u, err := url.Parse(text)
	switch {
	case text == "":
		return "The URL is empty.", form
	case strings.TrimSpace(text) != text:
		return "The URL has white space at its ends.", "Remove the white space."
	case strings.HasPrefix(text, "ssh://"):
		return "This is the address for git over SSH, and bkp speaks to the REST interface.", form
	case !strings.HasPrefix(text, "http://") && !strings.HasPrefix(text, "https://"):
		return "The address does not begin with http:// or https://.", form
	case err != nil:
		// The cause would quote the text, which may hold a password.
		return "The host, the port or an escape in the URL is wrong.", form
	case u.Hostname() == "":
		return "The URL has no host.", form
	case u.User != nil:
		return "The URL holds credentials, which would be shown.", "Use the attributes username and password, or token."
	case u.RawQuery != "" || u.Fragment != "":
		return "The URL has a query or a fragment.", form
	}
	return "", ""
}

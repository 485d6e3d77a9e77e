package lang

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"bkp/internal/secret"
	"bkp/providers"
)

// Instance is one Bitbucket Data Center deployment.
type Instance struct {
	// Address such as instance.prod, or instance.team["a"] with for_each.
	Address string
	// Name is safe in file names and in backup ids: prod, or team.a.
	Name string
	// URL and MaintenanceURL have no slash at their ends. The latter may be "".
	URL            string `hcl:"url" help:"base URL, such as https://bitbucket.example.com" example:"https://bitbucket.example.com"`
	MaintenanceURL string `hcl:"maintenance_url,optional" help:"address of one node, without any proxy or load balancer, for all requests of bkp: a load balancer may take a node that is in maintenance out of service" unset:"url is used"`
	// Either Username and Password are set, or Token.
	Username string                            `hcl:"username,optional" help:"administrator whose name bkp uses" unset:"token is used" example:"backup"`
	Password secret.String                     `hcl:"password,optional" help:"password of that administrator" unset:"token is used" example:"BITBUCKET_BACKUP_PASSWORD"`
	Token    secret.String                     `hcl:"token,optional" help:"HTTP access token of an administrator, instead of username and password" unset:"username and password are used"`
	Home     providers.Ref[providers.Strategy] `hcl:"home" kind:"home" help:"what captures the home"`
	Database providers.Ref[providers.Strategy] `hcl:"database" kind:"database" help:"what captures the database"`
	Search   providers.Ref[providers.Strategy] `hcl:"elasticsearch,optional" kind:"elasticsearch" help:"what captures the search index, of Elasticsearch or OpenSearch" unset:"nothing does: Bitbucket builds it anew after a restore"`
	// MeshNodes are all nodes of the instance, or none.
	MeshNodes []providers.Ref[providers.Strategy] `hcl:"mesh_nodes,optional" kind:"mesh_node" help:"what captures the homes of the Mesh nodes: all of them, inside the one lock" unset:"the instance has no Mesh nodes"`
	Archives  []providers.Ref[providers.Archiver] `hcl:"archives" kind:"archive" help:"where backups are kept"`
	// Copies are archives that a run stores nothing in.
	Copies []providers.Ref[providers.Archiver] `hcl:"copies,optional" kind:"archive" help:"archives that bkp copy brings backups to; a run stores nothing there, and everything else looks there, too" unset:"no others"`
	// Retention is not set if backups are kept for ever.
	Retention providers.Ref[*Retention] `hcl:"retention,optional" kind:"retention" help:"which backups are kept" unset:"all of them"`
	// ZeroDowntime leaves the lock out; MaxSkew bounds what that costs.
	ZeroDowntime bool          `hcl:"zero_downtime,optional" help:"back up without locking users out: every part must be captured at one instant by itself, and a restore has Bitbucket repair what changed in between" unset:"users are locked out for the capture"`
	MaxSkew      time.Duration `hcl:"max_skew,optional" help:"with zero_downtime, how far the instants of the parts may be apart: a run that takes longer fails"`
	Lock         Lock          `hcl:"lock,block" help:"limits of the lock window, the time during which users are locked out"`
	TLS          TLS           `hcl:"tls,block" help:"how the server's certificate is verified"`
	Drill        Drill         `hcl:"drill,block" help:"how often a restore is to be proven"`
	// Absent says what is not backed up because the instance refers to nothing that
	// would.
	Absent []string
	// Range is the head of the block, Attrs what it sets.
	Range hcl.Range
	Attrs map[string]hcl.Range
}

// defaultInstance has what an instance does not set.
var defaultInstance = Instance{
	MaxSkew: 10 * time.Second,
	Lock:    Lock{DrainTimeout: 5 * time.Minute, Budget: 10 * time.Minute, Grace: 30 * time.Second},
	Drill:   Drill{MaxAge: 30 * 24 * time.Hour},
}

// Addresses are where the instance can be asked, the surest first.
func (i *Instance) Addresses() []string {
	if i.MaintenanceURL == "" {
		return []string{i.URL}
	}
	return []string{i.MaintenanceURL, i.URL}
}

// Diagnose returns a finding of a check as a diagnostic at the block.
func (i *Instance) Diagnose(f providers.Finding) *hcl.Diagnostic { return diagnose(f, i.Range) }

// Parts are what is captured: all references to strategies, in the order of
// the struct. It is that in which they are opened, because the database may
// want to know where the home is.
func (i *Instance) Parts() []providers.Ref[providers.Strategy] {
	var out []providers.Ref[providers.Strategy]
	for _, a := range instanceSchema.Attributes {
		switch refs := a.Field(i).Interface().(type) {
		case providers.Ref[providers.Strategy]:
			if refs.IsSet() {
				out = append(out, refs)
			}
		case []providers.Ref[providers.Strategy]:
			out = append(out, refs...)
		}
	}
	return out
}

// Shelves are all archives that hold backups of the instance.
func (i *Instance) Shelves() []providers.Ref[providers.Archiver] {
	return slices.Concat(i.Archives, i.Copies)
}

// Secrets are the names of the attributes that hold a secret, of those that are set.
func (i *Instance) Secrets() []string {
	var out []string
	for _, a := range instanceSchema.Attributes {
		if _, set := i.Attrs[a.Name]; set && a.Secret {
			out = append(out, a.Name)
		}
	}
	return out
}

// Bound returns the instance with references that open.
func (i *Instance) Bound(open providers.Opener) *Instance {
	return instanceSchema.Bind(i, open).(*Instance)
}

// TLS says how the certificate of the instance is verified.
type TLS struct {
	// CAFile is an absolute path, or "".
	CAFile string `hcl:"ca_file,optional" help:"PEM file of the authority that signed the server's certificate" unset:"the system's authorities"`
}

// Lock bounds the lock window.
type Lock struct {
	// DrainTimeout is how long Bitbucket may take to drain.
	DrainTimeout time.Duration `hcl:"drain_timeout,optional" help:"how long Bitbucket may take to drain"`
	// Budget is the longest that the lock window may last.
	Budget time.Duration `hcl:"budget,optional" help:"maximum length of the lock window: after that bkp aborts, unlocks and cleans up"`
	// Grace is how long polls may fail before the instance counts as lost.
	Grace time.Duration `hcl:"grace,optional" help:"how long polls may fail before the instance counts as lost"`
}

// Drill says how often a restore is to be proven.
type Drill struct {
	// MaxAge is how old the last proof may get before a plan warns; 0: any age.
	MaxAge time.Duration `hcl:"max_age,optional" help:"how old the last proven restore (bkp verify --drill) may get before plan warns; \"0s\" never warns"`
}

func (l *loader) decodeInstance(i *instance) {
	out := defaultInstance
	out.Address, out.Name, out.Range, out.Attrs = i.address, i.label(), i.rng, i.ranges()
	if !l.decodeInto(i, &out) {
		return
	}
	out.URL, out.MaintenanceURL = strings.TrimRight(out.URL, "/"), strings.TrimRight(out.MaintenanceURL, "/")
	if out.TLS.CAFile != "" {
		out.TLS.CAFile = absolute(l.config.Dir, out.TLS.CAFile)
	}
	out.Absent = l.absent(&out)
	i.instances = append(i.instances, &out)
}

// absent are the remarks of kinds that an instance may refer to, and does not.
func (l *loader) absent(i *Instance) []string {
	var out []string
	for _, a := range instanceSchema.Attributes {
		kind, known := l.registry.Kind(a.Refers)
		if known && len(a.Addresses(i)) == 0 && kind.About().Absent != "" {
			out = append(out, kind.About().Absent)
		}
	}
	return out
}

// ValidateConfig implements providers.ConfigValidator.
func (i *Instance) ValidateConfig() []providers.ConfigProblem {
	out := checkAddress("url", i.URL)
	if i.MaintenanceURL != "" {
		out = append(out, checkAddress("maintenance_url", i.MaintenanceURL)...)
	}
	if i.MaxSkew <= 0 {
		out = append(out, providers.ConfigProblem{Attribute: "max_skew", Rests: []string{"max_skew"}, Summary: "Captures have no time",
			Detail: fmt.Sprintf("The max_skew is %s.", i.MaxSkew), Remedy: "Give a time, or leave the attribute out."})
	}
	if _, set := i.Attrs["max_skew"]; set && !i.ZeroDowntime {
		out = append(out, providers.ConfigProblem{Attribute: "max_skew", Rests: []string{"max_skew", "zero_downtime"}, Summary: "Attribute without effect",
			Detail: "Under the lock nothing changes between the captures, so that max_skew bounds nothing.", Remedy: "Set zero_downtime, or remove max_skew."})
	}
	out = append(out, i.checkNodes()...)
	for _, c := range i.Copies {
		if slices.ContainsFunc(i.Archives, func(a providers.Ref[providers.Archiver]) bool { return a.Address == c.Address }) {
			out = append(out, providers.ConfigProblem{Attribute: "copies", Rests: []string{"archives", "copies"}, Summary: "Archive named twice",
				Detail: fmt.Sprintf("%s is among archives and among copies.", c.Address), Remedy: "Name it in archives if every run is to store there, in copies if bkp copy is."})
		}
	}
	return append(out, i.checkCredentials()...)
}

// checkNodes finds a Mesh node that is named twice.
func (i *Instance) checkNodes() []providers.ConfigProblem {
	var out []providers.ConfigProblem
	for n, ref := range i.MeshNodes {
		if slices.ContainsFunc(i.MeshNodes[:n], func(r providers.Ref[providers.Strategy]) bool { return r.Address == ref.Address }) {
			out = append(out, providers.ConfigProblem{Attribute: "mesh_nodes", Rests: []string{"mesh_nodes"}, Summary: "Mesh node named twice",
				Detail: ref.Address + " is in mesh_nodes twice.", Remedy: "Name each node once."})
		}
	}
	return out
}

// ValidateConfig implements providers.ConfigValidator.
func (l *Lock) ValidateConfig() []providers.ConfigProblem {
	var out []providers.ConfigProblem
	for _, t := range []struct {
		name string
		time time.Duration
	}{{"drain_timeout", l.DrainTimeout}, {"budget", l.Budget}} {
		if t.time == 0 {
			out = append(out, providers.ConfigProblem{Attribute: t.name, Rests: []string{t.name}, Summary: "Lock window has no time",
				Detail: "The " + t.name + " is 0.", Remedy: "Give a time, or leave the attribute out."})
		}
	}
	if l.Budget > 0 && l.DrainTimeout > l.Budget {
		out = append(out, providers.ConfigProblem{Attribute: "drain_timeout", Summary: "Drain outlasts the lock window",
			Detail: fmt.Sprintf("The drain_timeout is %s, but the budget, the whole lock window, is %s.", l.DrainTimeout, l.Budget),
			Remedy: "Raise budget, or lower drain_timeout."})
	}
	return out
}

// checkAddress finds what is wrong with an address.
func checkAddress(name, value string) []providers.ConfigProblem {
	detail, remedy := checkURL(value)
	if detail == "" {
		return nil
	}
	at := name
	if strings.Contains(value, "@") {
		at = "" // the line of the URL may show a password
	}
	return []providers.ConfigProblem{{Attribute: at, Rests: []string{name}, Summary: "Invalid URL", Detail: detail, Remedy: remedy}}
}

func (i *Instance) checkCredentials() []providers.ConfigProblem {
	username, password, token := i.Username != "", i.Password.IsSet(), i.Token.IsSet()
	summary, detail := "Missing credentials", ""
	switch {
	case token && (username || password):
		summary, detail = "Two kinds of credentials", " has a token besides a username or password."
	case !token && !username && !password:
		detail = " has no credentials."
	case !token && !username:
		detail = " has a password, but no username."
	case !token && !password:
		detail = " has a username, but no password."
	default:
		return nil
	}
	return []providers.ConfigProblem{{Rests: []string{"username", "password", "token"}, Summary: summary, Detail: i.Address + detail, Remedy: "Set either username and password, or token."}}
}

// checkURL says what is wrong with the base URL of an instance.
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

package lang

import (
	"time"

	"github.com/hashicorp/hcl/v2"

	"bkp/internal/problem"
	"bkp/internal/secret"
	"bkp/providers"
)

// Config is what a folder declares. When Load reported errors it holds only
// what could be made.
type Config struct {
	// Dir is the folder, as an absolute path if there is one.
	Dir string
	// StateDir holds journal, catalog and working copies; an absolute path.
	StateDir string
	// Instances in the order of their declaration, files by name.
	Instances []*Instance
	// Components are all homes, databases and archives, used or not, in the
	// same order.
	Components []*Component

	files    map[string]*hcl.File
	review   hcl.Diagnostics
	resolved Resolved
	// masked are the literals of secrets.
	masked []hcl.Range
	open   map[string][]string
}

// Files returns the parsed files by name, for views that show the source of a
// diagnostic. What is written literally for an attribute that holds a secret
// is masked; positions are those of the files.
func (c *Config) Files() map[string]*hcl.File { return shown(c.files, c.masked) }

// Review tells what those should know who decide about a backup, and others,
// who may have to unlock or to restore, must not be kept by: the checks of the
// team that failed, errors if they are meant so, and doubts of bkp's own.
func (c *Config) Review() hcl.Diagnostics { return tidy(c.review) }

// Instance finds an instance by its name.
func (c *Config) Instance(name string) (*Instance, bool) {
	for _, i := range c.Instances {
		if i.Name == name {
			return i, true
		}
	}
	return nil, false
}

// Instance is one Bitbucket Data Center deployment.
type Instance struct {
	// Address such as instance.prod, or instance.team["a"] with for_each.
	Address string
	// Name is safe in file names and in backup ids: prod, or team.a.
	Name string
	// URL has no slash at its end.
	URL string
	// MaintenanceURL is the address of a node itself, past any proxy, or "".
	MaintenanceURL string
	// Either Username and Password are set, or Token.
	Username        string
	Password, Token secret.String
	// CAFile is an absolute path, or "".
	CAFile         string
	Home, Database *Component
	Archives       []*Component
	// Retention is nil if backups are kept for ever.
	Retention *Retention
	Lock      Lock
	Drill     Drill
	// Range is the head of the block, Attrs what it sets.
	Range hcl.Range
	Attrs map[string]hcl.Range
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

// Lock bounds the lock window.
type Lock struct {
	// DrainTimeout is how long Bitbucket may take to drain.
	DrainTimeout time.Duration `hcl:"drain_timeout,optional" help:"how long Bitbucket may take to drain"`
	// Budget is the longest that the lock window may last.
	Budget time.Duration `hcl:"budget,optional" help:"longest that the lock window may last: then bkp aborts, unlocks and cleans up"`
	// Grace is how long polls may fail before the instance counts as lost.
	Grace time.Duration `hcl:"grace,optional" help:"how long polls may fail before the instance counts as lost"`
}

// Drill says how often a restore is to be proven.
type Drill struct {
	// MaxAge is how old the last proof may get before a plan warns; 0: any age.
	MaxAge time.Duration `hcl:"max_age,optional" help:"how old the last proven restore (bkp verify --drill) may get before plan warns; \"0s\" never warns"`
}

// defaultDrill applies to what a drill block does not set.
var defaultDrill = Drill{MaxAge: 30 * 24 * time.Hour}

// defaultLock applies to what a lock block does not set.
var defaultLock = Lock{DrainTimeout: 5 * time.Minute, Budget: 10 * time.Minute, Grace: 30 * time.Second}

// Component is a block with a strategy.
type Component struct {
	// Address such as home.mirror.shared, or home.mirror.shared["a"].
	Address string
	Kind    providers.Kind
	// Type is the strategy. Name is the block's name, or with for_each
	// shared.a, and safe in file names.
	Type, Name string
	// Config is decoded, a pointer from Definition.NewConfig.
	Config     any
	Definition providers.Definition
	// Range is the head of the block, Attrs what it sets.
	Range hcl.Range
	Attrs map[string]hcl.Range
}

// Diagnose returns a finding of a check as a diagnostic at the block.
func (c *Component) Diagnose(f providers.Finding) *hcl.Diagnostic { return diagnose(f, c.Range) }

// Retention says which backups are kept.
type Retention struct {
	// Address such as retention.standard; Name as that of a Component.
	Address, Name string
	// MinSize is a share in percent; see retention.Policy.
	KeepLast, MinSize int
	Range             hcl.Range
	Attrs             map[string]hcl.Range
}

func diagnose(f providers.Finding, at hcl.Range) *hcl.Diagnostic {
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: f.Summary, Detail: f.Detail, Subject: at.Ptr()}
	if f.Severity == problem.Warning {
		d.Severity = hcl.DiagWarning
	}
	if f.Remedy != "" && d.Detail != "" {
		d.Detail += "\n"
	}
	d.Detail += f.Remedy
	return d
}

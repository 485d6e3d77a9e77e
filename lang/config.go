package lang

import (
	"github.com/hashicorp/hcl/v2"

	"bkp/internal/problem"
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
	// Components are all blocks with a strategy, used or not, in the same order.
	Components []*Component
	// Retentions are all of them, in the same order.
	Retentions []*Retention

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

// Review reports what those should know who decide about a backup, and others,
// who may have to unlock or to restore, must not be kept by: the checks of the
// team that failed, errors if they are meant so, and warnings of bkp's own.
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

// Component finds a block with a strategy by its address.
func (c *Config) Component(address string) (*Component, bool) {
	for _, found := range c.Components {
		if found.Address == address {
			return found, true
		}
	}
	return nil, false
}

// Retention finds a retention by its address.
func (c *Config) Retention(address string) (*Retention, bool) {
	for _, found := range c.Retentions {
		if found.Address == address {
			return found, true
		}
	}
	return nil, false
}

// Component is a block with a strategy.
type Component struct {
	// Address such as home.mirror.shared, or home.mirror.shared["a"].
	Address string
	Kind    providers.AnyKind
	// Type is the strategy. Name is the block's name, or with for_each
	// shared.a, and safe in file names.
	Type, Name string
	// Config is decoded, a pointer from Definition.NewConfig.
	Config     any
	Definition providers.Definition
	// Refers are the addresses of the blocks to which its attributes lead,
	// sorted.
	Refers []string
	// Range is the head of the block, Attrs what it sets.
	Range hcl.Range
	Attrs map[string]hcl.Range
}

// Diagnose returns a finding of a check as a diagnostic at the block.
func (c *Component) Diagnose(f providers.Finding) *hcl.Diagnostic { return diagnose(f, c.Range) }

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

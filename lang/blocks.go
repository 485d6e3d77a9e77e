package lang

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// settings is the bkp block.
type settings struct {
	StateDir string `hcl:"state_dir,optional" help:"folder of the journal, the catalog and the working copies" unset:"/var/lib/bkp for root, otherwise ~/.local/state/bkp or below $XDG_STATE_HOME"`
}

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
	i := &instance{vertex: v, address: rootSettings, bad: map[string]bool{}}
	var s settings
	if l.decodeBody(i, "", settingsSchema, &s) && s.StateDir != "" {
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

func (l *loader) decodeComponent(i *instance) {
	cfg := i.def.NewConfig()
	if !l.decodeInto(i, cfg) {
		return
	}
	i.components = append(i.components, &Component{
		Address: i.address, Kind: i.def.Kind, Type: i.typ, Name: i.label(), Refers: i.target.refers(),
		Config: cfg, Definition: i.def, Range: i.rng, Attrs: i.ranges(),
	})
}

// label is the name, with the key of for_each after a dot, which no name has.
func (i *instance) label() string {
	if i.each == nil {
		return i.name
	}
	return i.name + "." + i.key
}

func (i *instance) ranges() map[string]hcl.Range {
	out := make(map[string]hcl.Range, len(i.args)+len(i.nested))
	for name, at := range i.nested {
		out[name] = at
	}
	for name, a := range i.args {
		out[name] = a.rng
	}
	return out
}

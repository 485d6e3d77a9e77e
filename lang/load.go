package lang

import (
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"bkp/lang/funcs"
	"bkp/providers"
)

// Options are what a configuration is read with.
type Options struct {
	// Registry lists the strategies.
	Registry *providers.Registry
	// Values are those of the command line, in its order.
	Values []Value
	// LookupEnv finds an environment variable; nil means os.LookupEnv.
	LookupEnv func(string) (string, bool)
	// Version is bkp's own, for required_version. One that is no release
	// satisfies every constraint.
	Version string
	// Offline is for a machine that only looks at plans: what env, file and
	// properties cannot find there is left open instead of being an error. See
	// Config.Open.
	Offline bool
	// Unset leaves open what depends on variables without a value, as terraform
	// validate does. It needs Offline.
	Unset bool

	// asked is an expression to evaluate, answer takes its value: see Evaluate.
	asked  hcl.Expression
	answer func(cty.Value)
}

// Load reads the configuration of a folder. The Config is never nil; it is fit
// for use only if the diagnostics have no errors. Load changes nothing, and
// reads nothing but the folder, the environment and the files that the
// configuration names.
func Load(dir string, o Options) (*Config, hcl.Diagnostics) {
	if o.LookupEnv == nil {
		o.LookupEnv = os.LookupEnv
	}
	g := newGrammar(o.Registry)
	sources, files, diags := g.readFolder(dir)
	c := &Config{Dir: absolute("", dir), files: files, resolved: Resolved{}}
	if len(sources) == 0 {
		return c, tidy(diags)
	}
	l := &loader{
		grammar:  g,
		options:  o,
		dir:      dir,
		config:   c,
		declared: map[string]*vertex{},
		used:     map[string]bool{},
		diags:    diags,
		hidden:   map[string]bool{},
		budget:   budget{left: maxWork},
	}
	l.functions = funcs.Table(funcs.Source{
		Dir: dir, LookupEnv: o.LookupEnv, Observe: l.remember, Offline: o.Offline,
		TooDeep: tooDeepTemplate, Meter: l.meterNative,
	})
	l.load(sources)
	g.advise(l.diags)
	return c, tidy(l.diags)
}

// loader carries the state of one Load.
type loader struct {
	*grammar
	options   Options
	dir       string
	config    *Config
	functions map[string]function.Function
	// vertices in the order of declaration; declared finds them by address.
	vertices []*vertex
	declared map[string]*vertex
	// incomplete is set when a file could not be parsed, so that what is not
	// declared may stand there.
	incomplete bool
	// misread are the places of syntax errors.
	misread []hcl.Range
	// hidden are roots that a misspelt block was probably meant for.
	hidden map[string]bool
	// given are the values for variables, by name; valuesMissing is set when a
	// file of values could not be read.
	given         map[string]given
	valuesMissing bool
	// outside are texts from sensitive variables, env, file and properties, to
	// be kept out of the errors of functions.
	outside []string
	budget  budget
	// used are the addresses of blocks to which others refer.
	used  map[string]bool
	diags hcl.Diagnostics
}

func (l *loader) report(d ...*hcl.Diagnostic) { l.diags = append(l.diags, d...) }

func (l *loader) load(sources []source) {
	l.maskSyntax()
	for _, d := range l.diags {
		if d.Subject != nil {
			l.misread = append(l.misread, *d.Subject)
		}
	}
	blocks := l.blocks(sources)
	if d := l.unfitVersion(blocks); d != nil {
		// The other errors may come from a language that this version does not
		// know yet: they would only distract.
		l.diags = hcl.Diagnostics{d}
		return
	}
	for _, b := range blocks {
		l.declare(b)
	}
	asked := l.ask()
	l.gather()
	for _, v := range l.vertices {
		l.link(v)
	}
	for _, v := range l.order() {
		l.evaluate(v)
	}
	if asked != nil {
		l.options.answer(l.value(asked.args[""], nil))
	}
	l.finish()
}

// finish collects what the blocks made, in the order of declaration.
func (l *loader) finish() {
	c := l.config
	declared := false
	for _, v := range l.vertices {
		declared = declared || v.root == rootInstance
		c.Instances = append(c.Instances, v.instances...)
		c.Components = append(c.Components, v.components...)
		c.Retentions = append(c.Retentions, v.retentions...)
	}
	if c.StateDir == "" {
		c.StateDir = l.defaultStateDir()
	}
	c.resolved.set(rootSettings, "state_dir", c.StateDir)
	for address, names := range c.open {
		for _, name := range names {
			c.resolved.set(address, name, Elsewhere)
		}
	}
	l.unused()
	if !declared && !l.incomplete && !l.hidden[rootInstance] {
		l.report(problemAt(nil, "No instance", "The configuration in "+c.Dir+" declares no instance, so there is nothing to back up.",
			`Add a block instance "NAME" { … }.`))
	}
}

// absolute makes path absolute, relative to dir.
func absolute(dir, path string) string {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

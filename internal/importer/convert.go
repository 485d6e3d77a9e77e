package importer

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"bkp/internal/hcldoc"
	"bkp/providers"
)

// Result is what a script became.
type Result struct {
	// Config is valid as it is once the environment variables are set.
	Config []byte
	// Entries account for every variable and every command of the script, in
	// its order.
	Entries []Entry
	// Env are the environment variables that Config reads.
	Env []string
	// Unsupported are the strategies that this version does not have, such as
	// home "amazon-ebs".
	Unsupported []string
}

// Import turns the text of a vars.sh into configuration. name is for errors
// and comments. The registry lists the strategies.
func Import(ctx context.Context, name string, src []byte, registry *providers.Registry) (Result, error) {
	e, err := evaluate(ctx, name, src, knownSettings())
	if err != nil {
		return Result{}, err
	}
	c := &converter{e: e, registry: registry, mask: newMasker(e.vars), accounted: map[string]bool{}}
	return c.convert(name)
}

// converter makes the configuration of one script.
type converter struct {
	e         *evaluator
	registry  *providers.Registry
	mask      masker
	mesh      bool
	entries   []Entry
	accounted map[string]bool
	gaps      []gap
	env       []string
	// outside are environment variables that the script read, too.
	outside []string
	lost    []string
	// stays is set if something may stay where it was captured.
	stays bool
	// onlyStays is set if something stays there and cannot be copied by other archives.
	onlyStays bool
	// copied is set if something is only kept as a copy in an archive.
	copied bool
	// sealer is the block that encrypts an archive, until it is written after it.
	sealer hcldoc.Doc
}

// gap is something that a person has to fill in. Until then nothing is backed up,
// unless it is bearable.
type gap struct {
	name, message string
	bearable      bool
}

func (c *converter) convert(name string) (Result, error) {
	c.mesh = c.text("INSTANCE_TYPE") == "bitbucket-mesh"
	c.mysqlOptions()
	var sections []*hcldoc.Doc
	addresses := map[string]string{}
	for _, p := range c.parts() {
		d, address, err := c.part(p)
		if err != nil {
			return Result{}, err
		}
		sections = append(sections, d)
		addresses[p.kind] = address
	}
	if c.mesh {
		sections = append([]*hcldoc.Doc{c.homeOfNodes(addresses)}, sections...)
	}
	if c.keepsInPlace(addresses) {
		d := &hcldoc.Doc{}
		d.Comment("Snapshots stay in the storage or the service that has them.")
		d.Open(providers.Archives.Name(), keptInPlace, keptInPlace)
		d.Close()
		d.Blank()
		sections = append(sections, d)
	}
	kept, retention := c.retention()
	sections = append(sections, kept)
	head := c.instance(addresses, retention)
	settings := c.settings()
	c.cygwin()
	c.rest()
	sortEntries(c.entries)

	var doc hcldoc.Doc
	doc.Comment("Imported by bkp import from " + filepath.Base(name) + ".\n\nThe comments name the old variables. Read everything once, then:\n\n  bkp validate\n  bkp plan")
	doc.Blank()
	doc.Add(settings)
	doc.Add(head)
	for _, s := range sections {
		doc.Add(s)
	}
	c.writeNotices(&doc)
	c.writeOutside(&doc)
	c.writeGaps(&doc)
	c.writeLeftOut(&doc)
	text, err := doc.Bytes()
	return Result{Config: text, Entries: c.entries, Env: c.env, Unsupported: c.lost}, err
}

// cygwin warns of paths that only cygwin knows.
func (c *converter) cygwin() {
	for _, name := range slices.Sorted(maps.Keys(c.e.vars)) {
		if v := c.e.vars[name]; strings.HasPrefix(v.text, "/cygdrive/") && c.accounted[name] {
			c.warn("cygwin", "Paths such as that of %s are those of cygwin. Bitbucket left Windows after 7.21; write the paths of the machine that bkp runs on.", name)
			return
		}
	}
}

// text is the value of a variable that is known and no array, or "".
func (c *converter) text(name string) string {
	v, ok := c.e.vars[name]
	if !ok || !v.known() || v.isList {
		return ""
	}
	return v.text
}

// first finds the variable that counts of several names: the first that has
// a value, else the first that is set at all.
func (c *converter) first(names []string) (variable, bool) {
	var found variable
	for _, n := range names {
		v, ok := c.e.vars[n]
		if !ok {
			continue
		}
		if v.known() && (v.text != "" || len(v.list) > 0) {
			return v, true
		}
		if found.name == "" {
			found = v
		}
	}
	return found, found.name != ""
}

// account reports what became of a variable; the first word counts. One without
// a name is not in the script.
func (c *converter) account(v variable, o Outcome, to, reason string) {
	if v.name == "" || c.accounted[v.name] {
		return
	}
	c.accounted[v.name] = true
	if v.env != "" && v.known() && (o == Kept || o == Moved) && !strings.Contains(reason, "environment") {
		const note = "the script's default; its environment may have said otherwise"
		reason = strings.TrimPrefix(reason+"; "+note, "; ")
	}
	c.entries = append(c.entries, Entry{Name: v.name, Line: v.line, Outcome: o, To: to, Reason: reason})
}

// others accounts for older names of a variable that counts.
func (c *converter) others(names []string, counts variable) {
	for _, n := range names {
		if v, ok := c.e.vars[n]; ok && n != counts.name {
			c.account(v, Dropped, "", counts.name+" counts instead")
		}
	}
}

func (c *converter) needs(env string) string {
	if !slices.Contains(c.env, env) {
		c.env = append(c.env, env)
	}
	return "env(" + hcldoc.Quote(env) + ")"
}

func (c *converter) gap(name, format string, args ...any) {
	c.gaps = append(c.gaps, gap{name: "not_imported_" + name, message: fmt.Sprintf(format, args...)})
}

// warn reports a gap that does not prevent a restore.
func (c *converter) warn(name, format string, args ...any) {
	c.gap(name, format, args...)
	c.gaps[len(c.gaps)-1].bearable = true
}

// rest accounts for everything that is no attribute.
func (c *converter) rest() {
	for _, name := range slices.Sorted(maps.Keys(c.e.vars)) {
		v := c.e.vars[name]
		if user := c.userOf(name); user != "" {
			c.account(v, Dropped, "", "only "+user+" uses it, which is not chosen")
		}
		if known, ok := verdictOf(name); ok {
			c.account(v, known.outcome, "", known.reason)
		}
		if f := family(name); f != nil {
			c.account(v, f.outcome, "", f.reason)
		}
		if c.e.used[name] {
			c.account(v, Dropped, "", "a helper of this file: others were made of it")
		}
		c.account(v, Unknown, "", "it is not a variable of the scripts; its value was not copied")
	}
	for _, cmd := range c.e.commands {
		reason := "commands are not run"
		if cmd.function {
			reason = "functions are not called; for notices, bkp has notify, and for strategies of your own, command"
		}
		if word, _, _ := strings.Cut(cmd.source, " "); word == "source" || word == "." {
			reason = "the other file was not read: put what it sets into this one, and import again"
		}
		line, _, more := strings.Cut(c.mask.mask(cmd.source), "\n")
		if most := 60; utf8.RuneCountInString(line) > most {
			line, more = string([]rune(line)[:most]), true
		}
		if more {
			line += " …"
		}
		c.entries = append(c.entries, Entry{Name: line, Line: cmd.line, Outcome: NotRun, Reason: reason})
	}
}

// userOf names the strategy that uses a variable.
func (c *converter) userOf(name string) string {
	for _, p := range parts() {
		for _, s := range p.strategies {
			for _, f := range s.fields {
				if f.archive == "" && slices.Contains(f.variables, name) {
					return fmt.Sprintf("%s %q", p.kind, s.script)
				}
			}
		}
	}
	return ""
}

// writeGaps makes validate, plan and apply refuse what is missing until somebody
// has seen to it.
func (c *converter) writeGaps(d *hcldoc.Doc) {
	if len(c.gaps) == 0 {
		return
	}
	d.Comment("What could not be imported. Remove each block once you have handled it.")
	for _, g := range c.gaps {
		d.Open("check", g.name)
		d.Open("assert")
		d.Attr("condition", "false", "")
		d.Attr("error_message", hcldoc.Quote(g.message), "")
		if g.bearable {
			d.Attr("severity", `"warning"`, "")
		}
		d.Close()
		d.Close()
		d.Blank()
	}
}

// writeLeftOut lists what has no place, with the reasons.
func (c *converter) writeLeftOut(d *hcldoc.Doc) {
	title := false
	for _, e := range c.entries {
		switch e.Outcome {
		case Dropped, Broken, Unknown, NotRun, Computed:
		default:
			continue
		}
		if !title {
			d.Comment("Not imported:\n")
			title = true
		}
		d.Comment(fmt.Sprintf("  %s (line %d, %s): %s", e.Name, e.Line, e.Outcome, e.Reason))
	}
}

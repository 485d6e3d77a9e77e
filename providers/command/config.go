package command

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"bkp/internal/secret"
	"bkp/providers"
)

// Verb is what a command is for.
type Verb string

// The verbs, in the order of a backup's life.
const (
	Check        Verb = "check"
	Prepare      Verb = "prepare"
	Warm         Verb = "warm"
	Capture      Verb = "capture"
	Undo         Verb = "undo"
	Finish       Verb = "finish"
	Keep         Verb = "keep"
	Release      Verb = "release"
	Discard      Verb = "discard"
	List         Verb = "list"
	Delete       Verb = "delete"
	CheckRestore Verb = "check_restore"
	Restore      Verb = "restore"
)

// Commands is what the blocks of both strategies have in common. They embed it.
type Commands struct {
	Environment  map[string]string `hcl:"environment,optional" help:"variables for every command, besides the few that every tool gets and those that begin with BKP_"`
	Secrets      []Secret          `hcl:"secret,block" help:"a secret for every command, which gets it in its environment and nowhere else"`
	Check        *Quick            `hcl:"check,block" help:"looks whether a backup can be made, and changes nothing"`
	Prepare      *Long             `hcl:"prepare,block" help:"does what can be done while users write"`
	Warm         *Instant          `hcl:"warm,block" help:"does what must come right before the lock, and is quick"`
	Capture      Instant           `hcl:"capture,block" help:"fixes the point in time, under the lock"`
	Undo         *Last             `hcl:"undo,block" help:"ends what capture must not leave behind if bkp dies under the lock, such as a frozen file system; run before the instance is unlocked"`
	Finish       *Long             `hcl:"finish,block" help:"makes of it what can be kept, after the unlock"`
	Keep         *Quick            `hcl:"keep,block" help:"marks in the storage what is to stay"`
	Release      *Tidy             `hcl:"release,block" help:"ends what reading the trees needed, such as a mount, of what stays"`
	Discard      Tidy              `hcl:"discard,block" help:"removes what was made for a backup, from its id alone"`
	List         *Quick            `hcl:"list,block" help:"lists what stays in the storage"`
	Delete       *Tidy             `hcl:"delete,block" help:"removes what stays of a backup"`
	CheckRestore *Quick            `hcl:"check_restore,block" help:"looks whether restore can work, and changes nothing"`
	Restore      *Long             `hcl:"restore,block" help:"brings a backup back"`
}

// Secret is a variable whose value nobody may see.
type Secret struct {
	Name  string        `hcl:"name" help:"name of the variable" example:"FILER_PASSWORD"`
	Value secret.String `hcl:"value" help:"its value" example:"FILER_PASSWORD"`
}

// Call is the command of one verb.
type Call struct {
	Command []string      `hcl:"command" help:"program and its arguments, with no shell in between" example:"[\"/usr/local/lib/bkp/filer\", \"capture\"]"`
	Timeout time.Duration `hcl:"timeout,optional" help:"how long it may take before it is killed with all that it started"`
}

// The blocks of verbs differ by how long they may take.
type (
	// Instant is for verbs during which users wait, or are about to.
	Instant struct{ Call }
	// Quick is for a look.
	Quick struct{ Call }
	// Tidy is for verbs that clean up.
	Tidy struct{ Call }
	// Long is for verbs that may copy everything.
	Long struct{ Call }
	// Last is for what the guardian runs.
	Last struct{ Call }
)

// How long commands may take.
const (
	instant = 30 * time.Second
	quick   = time.Minute
	tidy    = 10 * time.Minute
	long    = 12 * time.Hour
)

// SetDefaults implements providers.Defaulter.
func (c *Instant) SetDefaults() { c.Timeout = instant }

// SetDefaults implements providers.Defaulter.
func (c *Quick) SetDefaults() { c.Timeout = quick }

// SetDefaults implements providers.Defaulter.
func (c *Tidy) SetDefaults() { c.Timeout = tidy }

// SetDefaults implements providers.Defaulter.
func (c *Long) SetDefaults() { c.Timeout = long }

// SetDefaults implements providers.Defaulter.
func (c *Last) SetDefaults() { c.Timeout = providers.UndoTimeout }

// ValidateConfig implements providers.ConfigValidator.
func (c *Last) ValidateConfig() []providers.ConfigProblem {
	out := c.Call.ValidateConfig()
	if c.Timeout > providers.UndoTimeout {
		out = append(out, providers.ConfigProblem{
			Attribute: "timeout", Summary: "timeout is too long", Detail: fmt.Sprintf("users wait meanwhile, so that undo is killed after %s", providers.UndoTimeout),
			Remedy: "give it less, or leave timeout out",
		})
	}
	return out
}

// Defaults are the values of attributes that are left out.
func Defaults() Commands {
	var c Commands
	c.Capture.SetDefaults()
	c.Discard.SetDefaults()
	return c
}

// call is the command of a verb, nil if none is declared.
func (c *Commands) call(v Verb) *Call { return c.calls()[v] }

// calls are the commands that are declared.
func (c *Commands) calls() map[Verb]*Call {
	out := map[Verb]*Call{Capture: &c.Capture.Call, Discard: &c.Discard.Call}
	for v, b := range map[Verb]*Quick{Check: c.Check, Keep: c.Keep, List: c.List, CheckRestore: c.CheckRestore} {
		if b != nil {
			out[v] = &b.Call
		}
	}
	for v, b := range map[Verb]*Long{Prepare: c.Prepare, Finish: c.Finish, Restore: c.Restore} {
		if b != nil {
			out[v] = &b.Call
		}
	}
	for v, b := range map[Verb]*Tidy{Release: c.Release, Delete: c.Delete} {
		if b != nil {
			out[v] = &b.Call
		}
	}
	if c.Undo != nil {
		out[Undo] = &c.Undo.Call
	}
	if c.Warm != nil {
		out[Warm] = &c.Warm.Call
	}
	return out
}

// Has reports whether a verb has a command.
func (c *Commands) Has(v Verb) bool { return c.call(v) != nil }

// Keeps reports whether backups may stay in the storage.
func (c *Commands) Keeps() bool { return c.Has(List) && c.Has(Delete) }

// Yields are the lives that finished artifacts may have.
func (c *Commands) Yields() []providers.Life {
	if c.Keeps() {
		return []providers.Life{providers.Native, providers.Staged}
	}
	return []providers.Life{providers.Staged}
}

// secrets are all values that no message may show.
func (c *Commands) secrets() []secret.String {
	var out []secret.String
	for _, s := range c.Secrets {
		out = append(out, s.Value)
		// Output is redacted line by line.
		if lines := strings.Split(s.Value.Reveal(), "\n"); len(lines) > 1 {
			for _, line := range lines {
				out = append(out, secret.New(strings.TrimSpace(line)))
			}
		}
	}
	return out
}

// Text is the command as somebody would type it.
func (c *Call) Text() string {
	var words []string
	for _, w := range c.Command {
		if !plainWord.MatchString(w) {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

var (
	plainWord    = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// ValidateConfig implements providers.ConfigValidator.
func (c *Call) ValidateConfig() []providers.ConfigProblem {
	var out []providers.ConfigProblem
	add := func(attribute, summary, detail, remedy string) {
		out = append(out, providers.ConfigProblem{Attribute: attribute, Summary: summary, Detail: detail, Remedy: remedy})
	}
	switch {
	case len(c.Command) == 0 || c.Command[0] == "":
		add("command", "command is empty", "there is no program to run", "name the program, then its arguments")
	case strings.ContainsRune(c.Command[0], filepath.Separator) && !filepath.IsAbs(c.Command[0]):
		add("command", "path is not absolute", fmt.Sprintf("%q depends on where bkp is started", c.Command[0]), "begin it with /, or give a name that is found on PATH")
	}
	if c.Timeout <= 0 {
		add("timeout", "timeout is zero", "the command would be killed before it begins", "give it some time, or leave timeout out")
	}
	return out
}

// ValidateConfig implements providers.ConfigValidator.
func (c *Commands) ValidateConfig() []providers.ConfigProblem {
	return slices.Concat(c.validateVerbs(), c.validateVariables())
}

func (c *Commands) validateVerbs() []providers.ConfigProblem {
	var out []providers.ConfigProblem
	add := func(detail, remedy string) {
		out = append(out, providers.ConfigProblem{Summary: "commands do not fit together", Detail: detail, Remedy: remedy})
	}
	if c.Has(List) != c.Has(Delete) {
		add("what stays in the storage needs list and delete, and one of them is missing", "declare both blocks, or none of them")
	}
	if c.Keeps() && !c.Has(Restore) {
		add("what stays in the storage can only be brought back by restore, which is missing", "add a block restore, or leave out list and delete")
	}
	for _, v := range []Verb{Keep, Release} {
		if c.Has(v) && !c.Keeps() {
			add(fmt.Sprintf("%s is about what stays in the storage, and without list and delete nothing does", v), fmt.Sprintf("add blocks list and delete, or leave out %s", v))
		}
	}
	return out
}

func (c *Commands) validateVariables() []providers.ConfigProblem {
	var out []providers.ConfigProblem
	add := func(attribute, summary, detail, remedy string) {
		out = append(out, providers.ConfigProblem{Attribute: attribute, Summary: summary, Detail: detail, Remedy: remedy})
	}
	seen := map[string]bool{}
	check := func(attribute, name string) {
		switch {
		case !variableName.MatchString(name):
			add(attribute, "not the name of a variable", fmt.Sprintf("%q", name), "use letters, digits and _")
		case strings.HasPrefix(name, "BKP_"):
			add(attribute, "variable is taken", name+" begins with BKP_, as those do that bkp sets", "choose another name")
		case seen[name]:
			add(attribute, "variable is set twice", name, "remove one of them")
		}
		seen[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(c.Environment)) {
		check("environment", name)
	}
	for _, s := range c.Secrets {
		check("secret", s.Name)
		for v, call := range c.calls() {
			if at := slices.IndexFunc(call.Command, contains(s.Value)); at >= 0 {
				add(string(v), "secret in the arguments of a command", fmt.Sprintf("argument %d of %s holds the secret %s, and every user of this machine can read arguments", at, v, s.Name),
					"let the command take it from its environment")
			}
		}
	}
	slices.SortFunc(out, func(a, b providers.ConfigProblem) int { return cmp.Compare(a.Attribute, b.Attribute) })
	return out
}

// contains reports whether a text holds a secret that can be recognized.
func contains(s secret.String) func(string) bool {
	return func(text string) bool {
		const least = 4 // a shorter one is in many a word
		return len(s.Reveal()) >= least && strings.Contains(text, s.Reveal())
	}
}

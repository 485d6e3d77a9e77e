package importer

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"bkp/internal/problem"
)

const (
	// MaxSource bounds a script. The parser recurses, and a stack that
	// overflows cannot be recovered from: at this size it does not.
	MaxSource = 128 << 10
	// maxValue bounds a variable, so that one made of others cannot grow
	// without end.
	maxValue = 4 << 10
	// maxDepth bounds how deep statements are followed.
	maxDepth = 100
)

// variable is what the script last made of a name.
type variable struct {
	name string
	// text, or list if isList; they count only if why is "".
	text   string
	list   []string
	isList bool
	// why says why the value is unknown: "it is …".
	why    string
	source string
	line   int
	// env is the environment variable that the value comes from, if there is one. A
	// text that is known is then the default.
	env string
}

func (v variable) known() bool { return v.why == "" }

// command is a line of the script that was not run.
type command struct {
	source string
	line   int
	// function is set for the declaration of one.
	function bool
}

// evaluator goes through a script.
type evaluator struct {
	ctx context.Context //nolint:containedctx // lives as long as one evaluation
	src []byte
	// setting reports whether the scripts know a variable: one that is not set
	// is then empty, and any other comes from outside.
	setting  func(name string) bool
	vars     map[string]variable
	commands []command
	// used are the variables that others were made of.
	used  map[string]bool
	depth int
	// ended is set by exit or return.
	ended bool
}

// evaluate parses a script and makes the variables that it would set.
func evaluate(ctx context.Context, name string, src []byte, setting func(string) bool) (*evaluator, error) {
	if len(src) > MaxSource {
		return nil, problem.New("script too long", fmt.Sprintf("%s is larger than %d KiB", name, MaxSource>>10), "give the file with the variables only")
	}
	if kind := templateOf(src); kind != "" {
		return nil, problem.New("settings are a template", name+" is a template of "+kind+", not the file that it makes", "import the file that it made on the server of the scripts")
	}
	file, err := syntax.NewParser().Parse(bytes.NewReader(src), name)
	if err != nil {
		return nil, problem.Wrap(err, "not a shell script", "give a bitbucket.diy-backup.vars.sh that bash accepts")
	}
	e := &evaluator{ctx: ctx, src: src, setting: setting, vars: map[string]variable{}, used: map[string]bool{}}
	e.stmts(file.Stmts)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if !slices.ContainsFunc(slices.Collect(maps.Keys(e.vars)), setting) {
		return nil, problem.New("no settings found", name+" sets none of the variables of the scripts", "give the file bitbucket.diy-backup.vars.sh")
	}
	return e, nil
}

// truth is what is known of a status.
type truth int

const (
	unknown truth = iota
	yes
	no
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

func (t truth) not() truth {
	switch t {
	case yes:
		return no
	case no:
		return yes
	default:
		return unknown
	}
}

// stmts evaluates statements in order and returns the last one's status.
func (e *evaluator) stmts(list []*syntax.Stmt) truth {
	status := yes
	if e.depth++; e.depth > maxDepth {
		e.maybe(list, "it is set too deep within other statements")
		list, status = nil, unknown
	}
	for _, s := range list {
		if e.ended || e.ctx.Err() != nil {
			break
		}
		status = e.stmt(s)
	}
	e.depth--
	return status
}

func (e *evaluator) stmt(s *syntax.Stmt) truth {
	if s.Background || s.Coprocess || len(s.Redirs) > 0 {
		if call, ok := s.Cmd.(*syntax.CallExpr); !ok || len(call.Args) == 0 || s.Background || s.Coprocess {
			return e.notRun(s)
		}
	}
	status := e.command(s)
	if s.Negated {
		status = status.not()
	}
	return status
}

func (e *evaluator) command(s *syntax.Stmt) truth {
	switch c := s.Cmd.(type) {
	case *syntax.CallExpr:
		if len(c.Args) > 0 {
			return e.call(s, c)
		}
		return e.assigns(c.Assigns, "")
	case *syntax.DeclClause:
		return e.assigns(c.Args, odd(c))
	case *syntax.IfClause:
		return e.ifClause(c)
	case *syntax.CaseClause:
		return e.caseClause(c)
	case *syntax.BinaryCmd:
		return e.binary(s, c)
	case *syntax.Block:
		return e.stmts(c.Stmts)
	case *syntax.TestClause:
		return e.test(c.X)
	case *syntax.FuncDecl:
		e.commands = append(e.commands, command{source: c.Name.Value + "()", line: int(c.Pos().Line()), function: true})
		e.maybe([]*syntax.Stmt{c.Body}, "it is set in a function, which is not called")
		return yes
	case *syntax.ForClause:
		e.maybe(c.Do, "it is set in a loop, which is not run")
		return unknown
	case *syntax.WhileClause:
		e.maybe(c.Do, "it is set in a loop, which is not run")
		return unknown
	default:
		return e.notRun(s)
	}
}

// notRun notes a command. What a subshell or a pipe sets is lost in a shell,
// too.
func (e *evaluator) notRun(n syntax.Node) truth {
	e.commands = append(e.commands, command{source: e.source(n), line: int(n.Pos().Line())})
	return unknown
}

// source is the text of a node.
func (e *evaluator) source(n syntax.Node) string {
	from, to := int(n.Pos().Offset()), int(n.End().Offset())
	if from > to || to > len(e.src) {
		return ""
	}
	return string(e.src[from:to])
}

// maybe takes note of what statements would set that are not evaluated.
func (e *evaluator) maybe(list []*syntax.Stmt, why string) {
	for _, s := range list {
		syntax.Walk(s, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.CmdSubst, *syntax.Subshell:
				return false
			case *syntax.CallExpr:
				if len(n.Args) == 0 {
					e.unknown(n.Assigns, why)
				}
			case *syntax.DeclClause:
				e.unknown(n.Args, why)
			}
			return true
		})
	}
}

func (e *evaluator) unknown(list []*syntax.Assign, why string) {
	for _, a := range list {
		if a.Name != nil && !a.Naked {
			e.set(variable{name: a.Name.Value, why: why, source: e.source(a), line: int(a.Pos().Line())})
		}
	}
}

func (e *evaluator) set(v variable) { e.vars[v.name] = v }

// odd reports a declaration whose variables are no plain texts or lists.
func odd(c *syntax.DeclClause) string {
	for _, a := range c.Args {
		if a.Name == nil && a.Value != nil {
			if flags := a.Value.Lit(); strings.HasPrefix(flags, "-") && strings.ContainsAny(flags, "Ainlu") {
				return "it is declared with " + flags
			}
		}
	}
	return ""
}

func (e *evaluator) assigns(list []*syntax.Assign, why string) truth {
	for _, a := range list {
		if a.Name == nil {
			continue // an option
		}
		if a.Naked {
			e.exported(a)
			continue
		}
		v := variable{name: a.Name.Value, source: e.source(a), line: int(a.Pos().Line()), why: why}
		if why == "" {
			e.evaluateAssign(a, &v)
		}
		if v.size() > maxValue {
			v.why = fmt.Sprintf("it is longer than %d bytes", maxValue)
		}
		if !v.known() {
			v.text, v.list = "", nil
		}
		e.set(v)
	}
	return yes
}

func (v variable) size() int {
	n := len(v.text) + len(v.list)
	for _, t := range v.list {
		n += len(t)
	}
	return n
}

func (e *evaluator) evaluateAssign(a *syntax.Assign, v *variable) {
	switch {
	case a.Index != nil:
		v.why = "it is one element of an array"
	case a.Array != nil:
		v.isList = true
		v.list, v.why = e.array(a.Array)
	case e.fromEnvironment(a.Value, v):
	default:
		v.text, v.why = e.literal(a.Value)
	}
	if !a.Append || v.why != "" {
		return
	}
	before := e.vars[v.name]
	switch {
	case !before.known():
		v.why = before.why
	case before.isList && v.isList:
		v.list = append(slices.Clone(before.list), v.list...)
	case before.isList || v.isList && before.text != "":
		v.why = "it mixes a text and an array"
	case !v.isList:
		v.text = before.text + v.text
	}
}

func (e *evaluator) array(a *syntax.ArrayExpr) (list []string, why string) {
	var words []*syntax.Word
	for _, elem := range a.Elems {
		if elem.Index != nil || elem.Value == nil {
			return nil, "its elements are numbered"
		}
		words = append(words, elem.Value)
	}
	return e.fields(words)
}

// Get implements expand.Environ: only the script's own variables exist.
func (e *evaluator) Get(name string) expand.Variable {
	e.used[name] = true
	v, ok := e.vars[name]
	switch {
	case !ok || !v.known():
		return expand.Variable{}
	case v.isList:
		return expand.Variable{Set: true, Kind: expand.Indexed, List: v.list}
	default:
		return expand.Variable{Set: true, Kind: expand.String, Str: v.text}
	}
}

// Each implements expand.Environ.
func (e *evaluator) Each(f func(string, expand.Variable) bool) {
	for name := range e.vars {
		if !f(name, e.Get(name)) {
			return
		}
	}
}

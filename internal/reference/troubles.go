package main

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/packages"
)

// trouble is one problem that bkp reports: what a call in the source says of it.
type trouble struct {
	// area is where it comes from, such as database "postgresql".
	area, summary string
	warning       bool
	// causes and remedies are texts in which … stands for what was seen.
	causes, remedies []string
}

// makers are the functions of internal/problem that make problems, with the places
// of their summary, detail and remedy among the arguments; -1 is none.
var makers = map[string][3]int{"New": {0, 1, 2}, "Warn": {0, 1, 2}, "Wrap": {1, -1, 2}, "Wrapf": {1, 3, 2}}

// troubles reads the problems that the packages below dir can report out of their
// source.
func troubles(dir string) ([]trouble, error) {
	list, err := packages.Load(&packages.Config{
		Dir: dir, Mode: packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedImports | packages.NeedDeps,
	}, "./providers/...", "./internal/...")
	if err != nil {
		return nil, err
	}
	found := map[string]*trouble{}
	for _, p := range list {
		if len(p.Errors) > 0 {
			return nil, errors.New(p.Errors[0].Error())
		}
		area := areaOf(p.PkgPath)
		if area == "" {
			continue
		}
		for _, f := range p.Syntax {
			ast.Inspect(f, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					note(found, area, call, p.TypesInfo)
				}
				return true
			})
		}
	}
	var out []trouble
	for _, t := range found {
		slices.Sort(t.causes)
		slices.Sort(t.remedies)
		out = append(out, *t)
	}
	slices.SortFunc(out, func(a, b trouble) int { return cmp.Or(cmp.Compare(a.area, b.area), cmp.Compare(a.summary, b.summary)) })
	return out, nil
}

// note adds what a call says, if it makes a problem with a constant summary.
func note(found map[string]*trouble, area string, call *ast.CallExpr, info *types.Info) {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return
	}
	fn, ok := info.Uses[sel.Sel].(*types.Func)
	places, known := makers[sel.Sel.Name]
	if !ok || !known || fn.Pkg() == nil || !strings.HasSuffix(fn.Pkg().Path(), "internal/problem") {
		return
	}
	summary := info.Types[call.Args[places[0]]].Value
	if summary == nil {
		return
	}
	name := constant.StringVal(summary)
	t := found[area+"\x00"+name]
	if t == nil {
		t = &trouble{area: area, summary: name, warning: sel.Sel.Name == "Warn"}
		found[area+"\x00"+name] = t
	}
	if places[1] >= 0 && places[1] < len(call.Args) {
		t.causes = added(t.causes, template(call.Args[places[1]], info))
	}
	t.remedies = added(t.remedies, template(call.Args[places[2]], info))
}

func added(list []string, text string) []string {
	text = strings.TrimSpace(text)
	if strings.Trim(text, "…:;, ") == "" || slices.Contains(list, text) {
		return list
	}
	return append(list, text)
}

// verbs are those of a format.
var verbs = regexp.MustCompile(`%[-+ #0]*(\[\d+\])?\d*(\.\d+)?[a-zA-Z]`)

// template is a text whose constant parts alone are known.
func template(e ast.Expr, info *types.Info) string {
	if v := info.Types[e].Value; v != nil && v.Kind() == constant.String {
		return verbs.ReplaceAllString(constant.StringVal(v), "…")
	}
	switch e := e.(type) {
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			return template(e.X, info) + template(e.Y, info)
		}
	case *ast.CallExpr:
		if sel, ok := e.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Sprintf" && len(e.Args) > 0 {
			return template(e.Args[0], info)
		}
	}
	return "…"
}

// areaOf is what users know of a package, "" for what they never meet.
func areaOf(path string) string {
	_, path, _ = strings.Cut(path, "/")
	parts := strings.Split(path, "/")
	switch {
	case strings.HasPrefix(path, "providers/providertest"):
		return ""
	case parts[0] == "providers" && len(parts) > 2 && parts[2] != "internal" && parts[2] != "place":
		return parts[1] + " " + strconv.Quote(parts[2])
	case parts[0] == "providers" && len(parts) > 1:
		return parts[1]
	}
	return map[string]string{
		"internal/engine/planner": "plan", "internal/engine/plan": "plan", "internal/engine/apply": "apply", "internal/engine/walk": "apply", "internal/engine/restore": "restore", "internal/engine/stage": "restore",
		"internal/engine/drill": "drill", "internal/engine": "bkp", "internal/cli": "bkp", "internal/bitbucket": "Bitbucket", "internal/engine/recovery": "recover",
		"internal/engine/guardian": "recover", "internal/importer": "import", "internal/scaffold": "init", "internal/host": "bkp", "internal/records/catalog": "bkp",
	}[path]
}

// troubleshooting is the page of all problems.
func troubleshooting(all []trouble) string {
	var b strings.Builder
	b.WriteString("# Troubleshooting\n\nEvery problem that `bkp` reports has a constant summary, which can be searched for on this page; what was seen follows it, and then what to do.\n" +
		"`…` stands for what was seen. Exit codes are in [failures](guides/failures.md). The page is generated from the source (`make docs`).\n")
	area := ""
	for _, t := range all {
		if t.area != area {
			area = t.area
			fmt.Fprintf(&b, "\n## %s\n", area)
		}
		fmt.Fprintf(&b, "\n### %s\n\n", capital(t.summary))
		if t.warning {
			b.WriteString("A warning: the run goes on.\n\n")
		}
		listed(&b, "Cause", t.causes)
		listed(&b, "Remedy", t.remedies)
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func listed(b *strings.Builder, what string, texts []string) {
	for _, text := range texts {
		prose, commands, _ := strings.Cut(text, "\n")
		fmt.Fprintf(b, "- %s: %s\n", what, escaped(prose))
		if commands = strings.Trim(commands, "\n"); commands != "" {
			b.WriteString("\n  ```\n")
			for line := range strings.SplitSeq(commands, "\n") {
				b.WriteString(strings.TrimRight("  "+strings.TrimPrefix(line, "    "), " ") + "\n")
			}
			b.WriteString("  ```\n")
		}
	}
}

// escaped keeps what Markdown would take for its own.
func escaped(text string) string {
	return strings.NewReplacer("<", "\\<", "*", "\\*", "_", "\\_", "|", "\\|", "[", "\\[").Replace(text)
}

func capital(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

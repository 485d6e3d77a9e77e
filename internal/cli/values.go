package cli

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"bkp/lang"
)

// valuesOf are --var and --var-file in the order in which they were given,
// which decides between them. kong collects them flag by flag; the path shows
// the order.
func valuesOf(path []*kong.Path, g globals) ([]lang.Value, error) {
	var out []lang.Value
	vars, files := g.Var, g.VarFile
	for _, p := range path {
		switch {
		case p.Flag == nil:
		case p.Flag.Name == "var" && len(vars) > 0:
			name, text, ok := strings.Cut(vars[0], "=")
			if !ok || name == "" {
				return nil, fmt.Errorf("--var %s: give it as NAME=VALUE", name)
			}
			out, vars = append(out, lang.Value{Name: name, Text: text}), vars[1:]
		case p.Flag.Name == "var-file" && len(files) > 0:
			out, files = append(out, lang.Value{File: files[0]}), files[1:]
		}
	}
	return out, nil
}

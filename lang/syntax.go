package lang

import (
	"fmt"
	"io"

	"github.com/hashicorp/hcl/v2"

	"bkp/providers"
)

// ReadFile reads one file and checks its syntax, as JSON if its name says so.
// The file is nil if it could not be read. The registry says which blocks there
// are, so that a mistake in one hides none in others.
func ReadFile(name string, r *providers.Registry) (*hcl.File, hcl.Diagnostics) {
	g := newGrammar(r)
	return g.checked(g.parseFile(name))
}

// Read is ReadFile for a text that lies in no file; diagnostics call it name.
func Read(in io.Reader, name string, r *providers.Registry) (*hcl.File, hcl.Diagnostics) {
	text, err := io.ReadAll(io.LimitReader(in, maxSource+1))
	if err == nil && len(text) > maxSource {
		err = fmt.Errorf("it is larger than 1 MiB")
	}
	if err != nil {
		return nil, hcl.Diagnostics{problemAt(nil, "Configuration cannot be read", fmt.Sprintf("%s: %s.", name, cause(err)), "Give a text.")}
	}
	g := newGrammar(r)
	return g.checked(g.parse(text, name))
}

func (g *grammar) checked(p parsed) (*hcl.File, hcl.Diagnostics) {
	g.advise(p.diags)
	return p.file, p.diags
}

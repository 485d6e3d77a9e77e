package lang

import (
	"fmt"
	"io"

	"github.com/hashicorp/hcl/v2"
)

// ReadFile reads one file and checks its syntax, as JSON if its name says so.
// The file is nil if it could not be read.
func ReadFile(name string) (*hcl.File, hcl.Diagnostics) {
	return checked(parseFile(name))
}

// Read is ReadFile for a text that lies in no file; diagnostics call it name.
func Read(r io.Reader, name string) (*hcl.File, hcl.Diagnostics) {
	text, err := io.ReadAll(io.LimitReader(r, maxSource+1))
	if err == nil && len(text) > maxSource {
		err = fmt.Errorf("it is larger than 1 MiB")
	}
	if err != nil {
		return nil, hcl.Diagnostics{problemAt(nil, "Configuration cannot be read", fmt.Sprintf("%s: %s.", name, cause(err)), "Give a text.")}
	}
	return checked(parse(text, name))
}

func checked(p parsed) (*hcl.File, hcl.Diagnostics) {
	advise(p.diags)
	return p.file, p.diags
}

package funcs

import "github.com/zclconf/go-cty/cty"

// Mark is put on values whose origin matters to the language. Marks follow a
// value through every expression.
type Mark string

const (
	// Sensitive values come from sensitive variables and from the function
	// sensitive. They may flow only into attributes that hold secrets.
	Sensitive Mark = "sensitive"
	// External values come from outside the configuration: env, file,
	// properties. They may flow anywhere, but since they may be secrets, no
	// diagnostic shows them; and an attribute that holds a secret takes them
	// without a warning.
	External Mark = "external"
)

// Has tells whether v or anything in it carries the mark.
func Has(v cty.Value, m Mark) bool {
	_, marks := v.UnmarkDeep()
	_, ok := marks[m]
	return ok
}

package lang

import "fmt"

// rootValidation is the root of vertices that hold a variable's validations.
// They stand beside the variable, so that a rule may refer to it, and to any
// other value; nothing can refer to them.
const rootValidation = "validation"

var validationBody = validationBlock()

func (l *loader) declareValidations(b block, variable *vertex) {
	content, _, _ := b.Body.PartialContent(variableBody.body())
	v := &vertex{root: rootValidation, name: variable.name, rng: variable.rng, args: map[string]*argument{}}
	for _, nested := range content.Blocks {
		l.declareAssertion(v, nested, validationBody)
	}
	if len(v.assertions) > 0 {
		l.vertices = append(l.vertices, v)
	}
}

// validate applies the rules to the value that the variable got.
func (l *loader) validate(v *vertex) {
	for _, a := range v.assertions {
		verdict := l.judge(v, a, nil)
		if !verdict.known || verdict.holds {
			continue
		}
		l.report(problemAt(&v.rng, "Invalid value for a variable",
			fmt.Sprintf("The value of %s, %s, breaks the rule at %s:%d.", address(rootVar, "", v.name), l.origin(v.name), a.rng.Filename, a.rng.Start.Line),
			verdict.message))
	}
}

// origin returns where the value of a variable comes from.
func (l *loader) origin(name string) string {
	if g, ok := l.find(name); ok {
		return "given by " + g.from
	}
	return "its default"
}

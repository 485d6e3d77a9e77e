// Package lang turns a folder of *.bkp.hcl and *.bkp.hcl.json files into a
// typed configuration and diagnostics that point into the source.
//
// The way is: read and parse the files (source.go), collect the declarations
// (declare.go, blocks.go), find what every expression refers to
// (reference.go), order the declarations by it (graph.go), evaluate them in
// that order (eval.go) and decode the values into Go structs (decode.go).
// Both syntaxes take the same way: nothing here knows the concrete type of a
// body.
//
// Every path returns diagnostics, all errors of a folder at once. An error
// makes its value unknown, and an unknown value is passed over in silence, so
// that one mistake gives one diagnostic. Diagnostics keep the style of the hcl
// library, which writes many of them: a constant summary, then a detail of
// full sentences, the last of which is the remedy.
//
// The package leaves out what a strategy does (providers), whether the things
// that a configuration names exist (internal/planner), and how diagnostics are
// printed (internal/cli).
package lang

// Package lang turns a folder of *.bkp.hcl and *.bkp.hcl.json files into a
// typed configuration and diagnostics that point into the source.
//
// The way is: read and parse the files (source.go), collect the declarations
// (declare.go, blocks.go), find what every expression refers to
// (reference.go), order the declarations by it (graph.go), evaluate them in
// that order (eval.go) and decode the blocks into Go structs (body.go, ref.go,
// decode.go). Which blocks there are is the grammar (grammar.go): those of the
// language itself, and the kinds of the registry.
// Both syntaxes take the same way: nothing here knows the concrete type of a
// body.
//
// Every path returns diagnostics, all errors of a folder at once. An error
// makes its value unknown, and an unknown value is passed over in silence, so
// that one mistake gives one diagnostic. Diagnostics keep the style of the hcl
// library, which writes many of them: a constant summary, then a detail of
// full sentences; the last one is the remedy.
//
// A file that has syntax errors is parsed again in pieces (broken.go), so that
// each block reports its own mistake and those that are good are read. Every
// diagnostic ends in a remedy: see Remedy.
//
// What a small configuration can make of itself is bounded (budget.go,
// funcs/bounded.go): the size and the nesting of a file, of an expression and
// of a value, the digits of a number, the results of functions that multiply,
// and what all expressions make together, loops included. Not bounded are
// loops within JSON that stand in objects and lists instead of in one text,
// whose results are measured only when they are made, and the time that file
// systems take.
//
// The package leaves out what a strategy does (providers), whether the things
// that a configuration names exist (internal/engine/planner), and how diagnostics are
// printed (internal/cli).
package lang

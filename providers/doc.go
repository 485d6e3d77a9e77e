// Package providers is the contract between bkp and its strategies.
//
// A strategy is one way to capture one kind of state: home "mirror", database
// "postgresql". Each lives in a package of its own below this one, grouped by
// block type, and is listed in providers/all. A strategy imports this package,
// the package of its block type (providers/home), internal/host,
// internal/filemeta, internal/problem and internal/secret; never the language,
// the plan, apply, the ui or another strategy.
//
// A kind (Kind) is a type of blocks and the type that they open. A strategy is
// defined (Define) for a kind by one struct, which says what its block takes:
// attributes, references to blocks of other kinds (Ref) and nested blocks (see
// Schema).
//
// The package leaves out which strategy a configuration uses (lang), in which
// order they run (internal/engine/planner) and the lock around them (internal/engine/apply).
package providers

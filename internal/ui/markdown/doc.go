// Package markdown draws plans for a comment on a pull request, in GitHub
// Flavored Markdown.
//
// What comes from a configuration or from a server stands in code spans or is
// escaped, so that no value can break the page, hide a step or call a person.
// The package leaves out how a plan looks on a terminal (ui/text) and the
// drawing of its graph (ui/graph).
package markdown

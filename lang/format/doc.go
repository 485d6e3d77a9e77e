// Package format rewrites the native syntax in its one canonical form, as
// terraform fmt does.
//
// It works on tokens: brackets are never parsed, so that nothing is too deep
// for it, and comments stay where they are. Besides white space it changes
// three things that have no meaning: labels get their quotes, "${x}" becomes
// x, and blank lines at the edges of a block or of the file go.
//
// The package leaves out syntax errors (lang reports them; a file that has one
// must not be formatted) and which files there are (internal/cli).
package format

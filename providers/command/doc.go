// Package command is what home "command" and database "command" share: verbs
// that are commands which administrators write, for a SAN or anything else that
// bkp does not know. docs/guides/command.md is the protocol.
//
// A command gets a JSON document on its standard input and variables in its
// environment, prints a JSON document or nothing, and is killed at its deadline
// with all that it started. What it prints is bounded, checked to the last field,
// and redacted.
//
// The package leaves out what is special to a home or a database, and which
// artifacts an archive takes.
package command

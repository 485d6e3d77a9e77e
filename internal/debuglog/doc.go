// Package debuglog is the detailed log that the environment variable BKP_LOG turns
// on: calls over HTTP, tools that are run, steps. It is for finding out why something
// went wrong, and no record of a run: that is the journal.
//
// The log travels in the context. Code that logs asks for it by From,
// which never returns nil. Lines are written by a goroutine of the log: a terminal that
// is stopped, or a pipe that nobody reads, holds up nobody who logs, since that may be a
// run under the lock.
//
// A line holds no secret for three reasons: bodies, headers and the queries of
// addresses are never logged; code that logs text of others takes the secrets out of it
// that it used; and whatever was given to Hide is taken out of all lines.
package debuglog

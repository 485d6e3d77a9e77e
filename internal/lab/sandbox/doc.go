// Package sandbox is a Bitbucket to try bkp on.
//
// Server speaks the maintenance interface: its lock, its latches, its backup
// task. Corners switches, while it runs, everything that is known to differ
// between versions or to go wrong. CreateHome makes a home with real bare
// repositories; Load lets users push to it, each push an object, a branch and
// a database row together; Check proves after a restore that they still agree.
//
// The parts are layered: the machine (machine.go) knows states and nothing of
// HTTP, the server (server.go) knows HTTP and asks the machine, the load
// passes the machine's gate and knows neither. Bare repositories are written
// by sandbox/bare, the embedded database by sandbox/embedded, the command line
// stands in sandbox/command.
//
// It leaves out everything of Bitbucket that a backup does not meet: git over
// HTTP, pull requests, plugins, a search index with content.
package sandbox

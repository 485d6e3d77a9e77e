// Package command is the strategy database "command": the database is captured,
// kept and brought back by commands that administrators write, for a database that
// bkp does not know.
//
// It leaves out how commands are run (providers/command).
package command

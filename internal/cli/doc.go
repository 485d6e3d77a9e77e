// Package cli is the command line: the kong grammar, one file a command, and
// the one table from errors to messages and exit codes (exit.go).
//
// It joins the parts: it reads the configuration, opens what it names, has the
// planner plan and apply follow. It leaves out how things look (internal/ui).
package cli

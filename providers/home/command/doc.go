// Package command is the strategy home "command": the home is captured, kept and
// brought back by commands that administrators write, such as those of a SAN.
//
// It leaves out how commands are run (providers/command) and how a home gets into
// its place (providers/home).
package command

// Package host is where commands run and files lie: this machine.
//
// Tools are run without a shell, with the environment they need and no more,
// in a process group of their own; what they print is redacted before anyone
// sees it, and a tool that fails gives an *ExitError with its last words. One
// that stands still gives a *StillError, if it is given a limit.
//
// It leaves out what is run (the strategies) and where output is shown (ui).
package host

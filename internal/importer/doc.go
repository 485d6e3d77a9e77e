// Package importer turns a bitbucket.diy-backup.vars.sh of Atlassian's shell
// scripts into annotated configuration, and accounts for every variable of it.
//
// The file is a program, and nobody has to trust it: it is parsed as bash and
// its assignments are evaluated (evaluate.go, word.go, condition.go), but no
// command is run, no file and no environment is read, no loop turns and no
// function is called. A full interpreter would not do, even with every command
// refused: a loop that doubles a variable fills the memory before a deadline
// strikes. What is only known when the script runs is reported as such, with its source.
//
// What the variables mean is a table (strategies.go, settings.go). Secrets are
// never copied. The package leaves out files and how the report is shown
// (internal/cli).
package importer

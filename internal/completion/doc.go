// Package completion completes command lines of bkp in bash, zsh and fish.
//
// The scripts are thin: they ask the bkp that is being called, by its hidden
// command, what could stand at the cursor. So there is one implementation, it
// is the same in every shell, and it never lags behind the binary. The answer
// comes from kong's model of the command line; what an argument stands for is
// shown by its placeholder, such as FILE or ID (see Sources).
//
// The package leaves out where backups and instances are found (internal/cli).
package completion

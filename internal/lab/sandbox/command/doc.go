// Package command is the command line of bitbucket-sandbox: serve, a Bitbucket
// under load, and check, the proof that a restored one is consistent.
//
// It leaves out everything that a test in Go wants too; that is the package
// sandbox.
package command

// Package scaffold writes a starter configuration, and reads from a home of
// Bitbucket what can be known for it.
//
// A password never goes into the configuration: the starter refers to where it
// stands already, or to an environment variable. The package leaves out the
// questions to the operator and the file (internal/cli).
package scaffold

// Package embedded is the sandbox's stand-in for the embedded database: rows
// in one file that is changed in place, as H2 changes its own.
//
// A copy taken while the file changes is torn, and Read says so: the header
// names the number of records and the sum of their checksums, each record has
// a checksum of its own, and the record of a repository, near the file's
// beginning, is changed with each of its pushes near the end. The file grows
// in steps, so that most changes leave its size as it was.
//
// It leaves out what a database is good for: transactions that survive a
// crash, queries, more than one process.
package embedded

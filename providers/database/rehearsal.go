package database

import (
	"fmt"

	"bkp/internal/problem"
)

// Unpacked is how many times as large as its compressed dump a database may
// be, with its indexes: a rough guess.
const Unpacked = 8

// Unreachable is about a folder that a scratch server's user cannot reach.
func Unreachable(dir, user string) *problem.Problem {
	return problem.New("scratch folder is closed to the database server", fmt.Sprintf("the server runs as %s, who may not pass through a folder above %s", user, dir),
		"choose another folder with --scratch, such as /var/tmp, or let others pass through it: chmod o+x")
}

// NoRepositories is about a database that cannot be Bitbucket's, or not all of
// it.
func NoRepositories(name string) *problem.Problem {
	return problem.New("database names no repositories", fmt.Sprintf("%q has no table repository", name), "check whether the right database is backed up")
}

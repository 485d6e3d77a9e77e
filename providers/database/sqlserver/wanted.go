package sqlserver

import (
	"fmt"
	"strings"

	"bkp/internal/problem"
)

// wantedByBitbucket are warnings of what Bitbucket demands of a database and this one does
// not have.
func wantedByBitbucket(database string, p properties) []*problem.Problem {
	var out []*problem.Problem
	if p.collation != "" && !distinguishesCase(p.collation) {
		out = append(out, problem.Warn(wrongCase, fmt.Sprintf("the collation of %q is %s, and Bitbucket wants one that does", database, p.collation),
			"ask Atlassian how to change it: columns keep theirs when the database's is altered"))
	}
	if !p.snapshots {
		out = append(out, problem.Warn(noSnapshots, fmt.Sprintf("database %q; Bitbucket wants it on, and its transactions wait for each other without", database),
			fmt.Sprintf("while Bitbucket is stopped, as an administrator:\n\n    ALTER DATABASE %s SET READ_COMMITTED_SNAPSHOT ON\n", name(database))))
	}
	return out
}

// distinguishesCase reports whether a collation, such as SQL_Latin1_General_CP1_CS_AS,
// is case-sensitive or binary.
func distinguishesCase(collation string) bool {
	for part := range strings.SplitSeq(collation, "_") {
		switch part {
		case "CS", "BIN", "BIN2":
			return true
		}
	}
	return false
}

package mysql

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
)

// Summaries of how a target differs from the database that was backed up.
const (
	charsetDiffers = "target database has another default character set or collation"
	modeDiffers    = "target server has another sql_mode"
)

// settings compares the defaults of an existing target, and of its server, with
// those that were backed up.
func (t *target) settings(a providers.Artifact) []*problem.Problem {
	var out []*problem.Problem
	if t.s.scratch {
		return nil
	}
	charset, collation := a.Facts[factCharset], a.Facts[factCollation]
	if t.exists && charset != "" && (t.facts.charset != charset || t.facts.collation != collation) {
		out = append(out, problem.Warn(charsetDiffers,
			fmt.Sprintf("database %q has %s and %s, the one in the backup %s and %s", t.s.cfg.Database, t.facts.charset, t.facts.collation, charset, collation),
			"tables keep those of the backup, new ones would not; drop the empty database, which the restore then creates, or as its owner:\n\n    ALTER DATABASE "+
				quoteName(t.s.cfg.Database)+" CHARACTER SET "+charset+" COLLATE "+collation+"\n"))
	}
	was, known := a.Facts[factMode]
	if is := t.facts.mode; known && !slices.Equal(modes(was), modes(is)) {
		out = append(out, problem.Warn(modeDiffers, fmt.Sprintf("it is %q, that of the backup %q", is, was),
			"set it in the server's option file, if nothing else relies on it, and as the server's administrator:\n\n    SET GLOBAL sql_mode = '"+was+"'\n"))
	}
	return out
}

// modes takes a sql_mode apart, whose order means nothing.
func modes(list string) []string {
	out := strings.Split(list, ",")
	slices.Sort(out)
	return out
}

// differences are warnings of what the restore leaves to the administrator. The
// error is a query's.
func (t *target) differences(ctx context.Context, a providers.Artifact) ([]*problem.Problem, error) {
	out := t.settings(a)
	missing, err := t.rightsMissing(ctx, a)
	if missing != nil {
		out = append(out, missing)
	}
	return out, err
}

// reportDifferences warns, after a restore, of what is left to the administrator.
func (t *target) reportDifferences(ctx context.Context, a providers.Artifact) {
	left, err := t.differences(ctx, a)
	if err != nil && ctx.Err() == nil {
		t.s.env.Warning("whether all rights on the database were restored is unknown: " + err.Error())
	}
	for _, p := range left {
		t.s.env.Warning(p.Error() + "; " + p.Remedy)
	}
}

// renamed returns an edit for statements that name the database of the dump: the
// tools alter its default collation around routines that were made under another.
// In a target of another name they would alter the original.
func renamed(from, to string) edit {
	was, is := []byte("ALTER DATABASE "+quoteName(from)+" CHARACTER SET "), []byte("ALTER DATABASE "+quoteName(to)+" CHARACTER SET ")
	return func(head []byte) []byte {
		if rest, found := bytes.CutPrefix(head, was); found {
			return slices.Concat(is, rest)
		}
		return head
	}
}

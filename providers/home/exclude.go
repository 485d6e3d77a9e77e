package home

import (
	"fmt"
	"path"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
)

// factPatterns are the patterns of the attribute exclude.
const factPatterns = "exclude"

// patternProblem returns what is wrong with a pattern of exclude, "" if nothing.
// What rsync and path.Match understand differently is not allowed.
func patternProblem(pattern string) string {
	trimmed := strings.TrimSuffix(pattern, "/")
	switch {
	case !strings.HasPrefix(pattern, "/"):
		return "it does not begin with /, which stands for the home"
	case strings.Trim(trimmed, "/") == "":
		return "it is the home itself"
	case path.Clean(trimmed) != trimmed:
		return "it is not a plain path"
	case strings.Contains(pattern, "**"):
		return "** is not supported; * matches anything but a slash"
	case strings.ContainsAny(pattern, "?[\\\x00\n"):
		return `the only special character that is supported is *`
	}
	return ""
}

// precious are folders and files that a restore cannot do without.
var precious = []string{
	"shared/bitbucket.properties", "shared/config", "shared/data/attachments", "shared/data/avatars", "shared/data/git-lfs", trusted,
}

// checkExclude warns of patterns that hide something precious, or a part of it.
func (b *Base) checkExclude(r *providers.Report) {
	all := precious
	if b.Env.Instance.EmbeddedDatabase {
		all = append([]string{"shared/data/db.mv.db", "shared/data/db.h2.db"}, all...)
	}
	for _, pattern := range b.Config.Exclude {
		for _, rel := range all {
			if !touches(pattern, rel) {
				continue
			}
			summary, what := "exclude hides what a restore needs", rel
			if rel == trusted {
				summary, what = "exclude hides repositories", "repositories, or parts of them, in "+rel
			}
			r.Add(problem.Warn(summary, fmt.Sprintf("the pattern %q leaves out %s", pattern, what),
				"make the pattern narrower; to leave out whole repositories name their ids in exclude_repositories"))
			break
		}
	}
}

// touches reports whether a pattern can match rel, a folder above it or
// something below it.
func touches(pattern, rel string) bool {
	p, r := strings.Split(strings.Trim(pattern, "/"), "/"), strings.Split(rel, "/")
	for i := range min(len(p), len(r)) {
		if ok, _ := path.Match(p[i], r[i]); !ok {
			return false
		}
	}
	return true
}

package javaprops

import "strings"

// Variables are the environment variables that stand for a setting of Bitbucket, the
// first that is set before the file: as Atlassian's images write it, with an underscore for
// each dash, and as Spring does, without.
func Variables(name string) []string {
	upper := strings.ToUpper(strings.ReplaceAll(name, ".", "_"))
	return []string{strings.ReplaceAll(upper, "-", "_"), strings.ReplaceAll(upper, "-", "")}
}

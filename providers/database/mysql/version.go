package mysql

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// kind distinguishes the two families, which speak one protocol and no longer
// one language.
type kind string

const (
	kindMySQL   kind = "MySQL"
	kindMariaDB kind = "MariaDB"
)

// version of a server or a client tool.
type version struct {
	kind                kind
	major, minor, patch int
}

var (
	numbers = regexp.MustCompile(`^([0-9]{1,3})\.([0-9]{1,3})(?:\.([0-9]{1,3}))?`)
	// releaseText finds the release in what a tool prints: "Ver" alone is the
	// tool's own version where a release follows.
	releaseText = regexp.MustCompile(`(?:Distrib|from) ([0-9][^\s,;]*)`)
	ownText     = regexp.MustCompile(`Ver ([0-9][^\s,;]*)`)
)

// parseServer reads @@version and @@version_comment.
func parseServer(text, comment string) (version, error) {
	return parse(text, strings.Contains(text+comment, "MariaDB") || strings.Contains(comment, "mariadb"))
}

// parseTool reads what a client tool prints for --version, such as
// "mysqldump  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)" or
// "mariadb-dump  Ver 10.19 Distrib 10.11.6-MariaDB, for debian-linux-gnu (x86_64)".
func parseTool(text string) (version, error) {
	m := releaseText.FindStringSubmatch(text)
	if m == nil {
		m = ownText.FindStringSubmatch(text)
	}
	if m == nil {
		return version{}, fmt.Errorf("no version in %.100q", text)
	}
	return parse(m[1], strings.Contains(text, "MariaDB"))
}

func parse(text string, mariadb bool) (version, error) {
	m := numbers.FindStringSubmatch(text)
	if m == nil {
		return version{}, fmt.Errorf("no version in %.100q", text)
	}
	v := version{kind: kindMySQL}
	if mariadb {
		v.kind = kindMariaDB
	}
	for i, part := range []*int{&v.major, &v.minor, &v.patch} {
		if m[i+1] != "" {
			*part, _ = strconv.Atoi(m[i+1]) // three digits at most
		}
	}
	if v.major == 0 {
		return version{}, fmt.Errorf("no version in %.100q", text)
	}
	return v, nil
}

// parseFact reads what String wrote.
func parseFact(text string) (version, error) {
	k, numbers, _ := strings.Cut(text, " ")
	return parse(numbers, kind(k) == kindMariaDB)
}

// String writes the version with its kind.
func (v version) String() string {
	return fmt.Sprintf("%s %d.%d.%d", v.kind, v.major, v.minor, v.patch)
}

// series is what decides whether client and server were made for each other,
// as a number that grows.
func (v version) series() int { return v.major*1000 + v.minor }

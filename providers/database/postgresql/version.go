package postgresql

import (
	"fmt"
	"regexp"
	"strconv"
)

// version is a PostgreSQL version as server_version_num writes it: 150018 is
// 15.18, 90624 is 9.6.24.
type version int

var versionText = regexp.MustCompile(`(?:^|\s)([0-9]{1,3})(?:\.([0-9]{1,2}))?(?:\.([0-9]{1,2}))?(?:devel|(?:alpha|beta|rc)[0-9]*)?(?:[-+.~][^\s]*)?(?:\s|$)`)

// parseVersion reads what a client tool prints for --version, such as
// "pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)".
func parseVersion(text string) (version, error) {
	m := versionText.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("no version in %.100q", text)
	}
	var parts [3]int
	for i := range parts {
		if m[i+1] == "" {
			continue
		}
		n, err := strconv.Atoi(m[i+1])
		if err != nil {
			return 0, err
		}
		parts[i] = n
	}
	if parts[0] == 0 {
		return 0, fmt.Errorf("no version in %.100q", text)
	}
	if parts[0] >= 10 {
		return version(parts[0]*10000 + parts[1]), nil
	}
	return version(parts[0]*10000 + parts[1]*100 + parts[2]), nil
}

// major is the part that decides whether client and server understand each
// other: 15 of 15.18, 9.6 of 9.6.24, as a number that grows.
func (v version) major() int {
	if v >= 100000 {
		return int(v) / 10000 * 100
	}
	return int(v) / 100
}

// String writes the version as people do.
func (v version) String() string {
	if v >= 100000 {
		return fmt.Sprintf("%d.%d", v/10000, v%10000)
	}
	return fmt.Sprintf("%d.%d.%d", v/10000, v/100%100, v%100)
}

// majorString is the version without what changes by minor updates.
func (v version) majorString() string {
	if v >= 100000 {
		return strconv.Itoa(int(v) / 10000)
	}
	return fmt.Sprintf("%d.%d", v/10000, v/100%100)
}

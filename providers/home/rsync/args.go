package rsync

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bkp/internal/problem"
	"bkp/providers/home"
)

// minimum is the first rsync that compares times to the nanosecond.
var minimum = version{3, 1, 3}

type version [3]int

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

func (v version) less(o version) bool {
	for i := range v {
		if v[i] != o[i] {
			return v[i] < o[i]
		}
	}
	return false
}

// ability is what rsync --version reports.
type ability struct {
	version      version
	acls, xattrs bool
	// implementation is "rsync", or another name that the first line gives.
	implementation string
}

var firstLine = regexp.MustCompile(`^(\S+)\s+version v?(\d+)\.(\d+)(?:\.(\d+))?`)

// parseVersion reads the output of rsync --version.
func parseVersion(text string) (ability, error) {
	m := firstLine.FindStringSubmatch(text)
	if m == nil {
		line, _, _ := strings.Cut(text, "\n")
		return ability{}, problem.New("not an rsync", fmt.Sprintf("its --version says %q", line), "install rsync, or name its folder in bin_dir")
	}
	a := ability{implementation: strings.TrimSuffix(m[1], ":")}
	for i := range a.version {
		// A part that is missing is zero.
		a.version[i], _ = strconv.Atoi(m[i+2])
	}
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' }) {
		switch strings.TrimSpace(word) {
		case "ACLs":
			a.acls = true
		case "xattrs":
			a.xattrs = true
		}
	}
	return a, nil
}

// check refuses what cannot do the work.
func (a ability) check() *problem.Problem {
	switch {
	case a.implementation != "rsync":
		return problem.New("not an rsync", fmt.Sprintf("%s is another program with fewer features", a.implementation),
			"install rsync, or name its folder in bin_dir; home \"mirror\" needs no tool")
	case a.version.less(minimum):
		return problem.New("rsync is too old", fmt.Sprintf("it is %v, and %v is needed", a.version, minimum),
			"install a newer one, or use home \"mirror\", which needs no tool")
	}
	return nil
}

// fullArguments are those of a pass over the whole of p.
func fullArguments(a ability, p home.Part, to string) []string {
	return arguments(a, p, to, "--delete", "--delete-excluded")
}

// arguments of a pass that brings p into the folder to, with what is particular
// to it.
func arguments(a ability, p home.Part, to string, particular ...string) []string {
	args := []string{"-a", "-H"}
	if a.acls {
		args = append(args, "-A")
	}
	if a.xattrs {
		args = append(args, "-X")
	}
	// While it lists a folder and copies another, rsync 3.5.0 often hangs for
	// ever when files vanish under its eyes: its processes wait for each other.
	// Listing first takes 70 bytes of memory a file, and no more time.
	args = append(args, "--no-inc-recursive")
	// Whole seconds would do harm: a git ref always has the same size, and one
	// that moves twice within a second, the second time after the live pass has
	// read it, would stay as it was.
	args = append(args, "-S", "--numeric-ids", "--modify-window=-1")
	args = append(args, particular...)
	for _, rule := range p.Rules {
		args = append(args, "--exclude="+rule)
	}
	// The slash means the folder's content.
	return append(args, "--", p.Source+"/", to+"/")
}

// askArguments are those of a pass, for what it would do now.
func askArguments(args []string) []string {
	return append([]string{"--dry-run", "--out-format=%i %n"}, args...)
}

// differing returns the first path, of what askArguments gives, whose content
// or being there differs; "" if none. Attributes alone that the copy cannot
// keep differ every time, and what is volatile may.
func differing(text string, volatile []string) string {
	for line := range strings.Lines(text) {
		what, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		name = strings.TrimLeft(name, " ")
		// The first letter says what would be done: "." is nothing but
		// attributes, "h" another name of a file that was reported.
		if what == "" || what[0] == '.' || what[0] == 'h' {
			continue
		}
		top, _, _ := strings.Cut(name, "/")
		if !slices.Contains(volatile, top) {
			return name
		}
	}
	return ""
}

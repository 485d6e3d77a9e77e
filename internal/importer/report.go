package importer

import (
	"regexp"
	"slices"
	"strings"
)

// Outcome is what became of a variable.
type Outcome string

// The outcomes.
const (
	// Kept is an attribute now.
	Kept Outcome = "kept"
	// Moved is an attribute now, with another meaning or in another place.
	Moved Outcome = "moved"
	// Secret was not copied: an environment variable stands in its place.
	Secret Outcome = "secret"
	// Dropped has no place in bkp, or none with these strategies.
	Dropped Outcome = "dropped"
	// Broken did harm in the scripts, and bkp does it otherwise.
	Broken Outcome = "broken"
	// Computed is unknown without running the script.
	Computed Outcome = "computed"
	// Missing is needed and not there: something else stands in its place.
	Missing Outcome = "missing"
	// Unsupported belongs to a strategy that this version does not have.
	Unsupported Outcome = "unsupported"
	// Unknown is no variable of the scripts.
	Unknown Outcome = "unknown"
	// NotRun is a command, not a variable.
	NotRun Outcome = "not run"
)

// Entry is one line of the report. It holds no secret.
type Entry struct {
	// Name of the variable, or the command.
	Name string `json:"name"`
	// Line in the script; 0 for what is missing.
	Line    int     `json:"line,omitempty"`
	Outcome Outcome `json:"outcome"`
	// To is the attribute, such as home.rsync.shared.path.
	To     string `json:"to,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// NeedsAttention reports whether somebody has to look at it before the first
// backup.
func (e Entry) NeedsAttention() bool {
	switch e.Outcome {
	case Secret, Computed, Missing, Unsupported, Unknown, NotRun:
		return true
	default:
		return false
	}
}

func sortEntries(list []Entry) {
	slices.SortStableFunc(list, func(a, b Entry) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return strings.Compare(a.Name, b.Name)
	})
}

var (
	secretName = regexp.MustCompile(`(?i)pass|secret|token|credential|_key$|^aws_access_key`)
	// secretText finds what is a secret by the way in which it is written.
	secretText = []*regexp.Regexp{
		regexp.MustCompile(`(://[^/@\s:]*:)[^/@\s]+(@)`),
		regexp.MustCompile(`(?i)((?:-u|--user)[ =]?["']?[^\s:"']+:)[^\s"']+()`),
		regexp.MustCompile(`(?i)((?:pass(?:word|wd|phrase)?|token|secret|api_?key)["']?\s*[=:]\s*)[^\s&;]+()`),
		regexp.MustCompile(`(?i)(authorization:\s*\w+\s+)[^\s"']+()`),
	}
)

// isSecret reports by its name whether a variable holds a secret. A file that
// holds one is none.
func isSecret(name string) bool {
	return secretName.MatchString(name) && !strings.HasSuffix(name, "_FILE") && name != "PGPASSFILE"
}

// masker hides secrets in texts of the script.
type masker struct{ known []string }

func newMasker(vars map[string]variable) masker {
	var m masker
	for _, v := range vars {
		if !isSecret(v.name) {
			continue
		}
		for _, text := range append([]string{v.text}, v.list...) {
			if len(text) > 2 {
				m.known = append(m.known, text)
			}
		}
	}
	// The longest first, as one may be a part of another.
	slices.SortFunc(m.known, func(a, b string) int { return len(b) - len(a) })
	return m
}

const masked = "(sensitive)"

// mask returns a text for a comment or a report: short, and without secrets.
func (m masker) mask(text string) string {
	const most = 400
	cut := len(text) > 4*most
	if cut {
		text = text[:4*most] // whole secrets are hidden before the rest is cut
	}
	for _, s := range m.known {
		text = strings.ReplaceAll(text, s, masked)
	}
	for _, re := range secretText {
		text = re.ReplaceAllString(text, "${1}"+masked+"${2}")
	}
	if len(text) > most {
		text, cut = text[:most], true
	}
	if cut {
		text += " …"
	}
	return text
}

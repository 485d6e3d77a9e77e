package cli

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"

	"bkp/internal/problem"
)

// mistakes are kong's messages with the summary and the detail that bkp gives
// instead. $1 and so on are what kong's message names; %s is the command.
var mistakes = []struct {
	kong            *regexp.Regexp
	summary, detail string
}{
	{regexp.MustCompile(`^unknown flag (\S+), did you mean (?:one of )?"(.+)"\?$`), "unknown flag", `%s has no flag $1; did you mean $2?`},
	{regexp.MustCompile(`^unknown flag (\S+)$`), "unknown flag", `%s has no flag $1`},
	{regexp.MustCompile(`^unexpected argument (.+?), did you mean `), "unexpected argument", `%s does not take the argument "$1"`},
	{regexp.MustCompile(`^unexpected argument (.+)$`), "unexpected argument", `%s does not take the argument "$1"`},
	{regexp.MustCompile(`^expected "<(.+)>"`), "missing argument", `%s needs the argument $1`},
	{regexp.MustCompile(`^(--\S+): missing value`), "missing flag value", `$1 needs a value`},
	{regexp.MustCompile(`^(--\S+): expected \S+ value but got "EOL"`), "missing flag value", `$1 needs a value`},
	{regexp.MustCompile(`^(--\S+): expected int value but got "(\S+)"`), "invalid flag value", `$1 must be a whole number of at least 1, not "$2"`},
	{regexp.MustCompile(`^(--\S+): expected a valid \d+ bit int but got "(.*)"`), "invalid flag value", `$1 must be a whole number of at least 1, not "$2"`},
	{regexp.MustCompile(`^(--\S+): expected duration but got "([^"]*)"`), "invalid flag value", `$1 must be a duration such as 90s, 30m or 26h, not "$2"`},
	{regexp.MustCompile(`^(--\S+): bool value must be .* but got "(.*)"`), "invalid flag value", `$1 must be true or false, not "$2"`},
	{regexp.MustCompile(`^(--\S+) must be one of (.+) but got "(.*)"`), "invalid flag value", `$1 must be one of $2, not "$3"`},
	{regexp.MustCompile(`^<(\S+)> must be one of (.+) but got "(.*)"`), "invalid argument", `$1 must be one of $2, not "$3"`},
}

// elsewhere is what to use instead of commands that other tools have.
var elsewhere = map[string]string{
	"backup":       "a backup is made by bkp apply",
	"destroy":      "backups are removed by retention: bkp prune",
	"force-unlock": "an instance that a run left locked is unlocked by bkp unlock; another run that holds the state folder is shown by bkp status",
	"output":       "what there is, is shown by bkp list --json and bkp status --json",
	"refresh":      "the list of backups is read again from the archives by bkp list --refresh",
	"state":        "the list of backups is shown by bkp list, one of them by bkp show ID",
	"workspace":    "environments are files of values, each with a state_dir of its own: bkp plan --var-file prod.bkpvars",
	"forget":       "backups are removed by retention: bkp prune",
	"check":        "a backup is read and compared by bkp verify ID, the configuration is checked by bkp validate",
}

var unknownCommand = regexp.MustCompile(`^unexpected argument (.+?)(?:, did you mean (?:one of )?"(.+)"\?)?$`)

// misused turns an error of kong's parser, or one about a flag's value, into a
// usage error in the words of bkp, with the command's usage as the hint.
func misused(err error, command *kong.Node) error {
	var parse *kong.ParseError
	if command == nil && errors.As(err, &parse) && parse.Context != nil {
		command = parse.Context.Selected()
	}
	summary, detail := inWords(err.Error(), command)
	return problem.Usage(problem.New(summary, detail, usageOf(command)))
}

func inWords(message string, command *kong.Node) (summary, detail string) {
	name := "bkp"
	if command != nil {
		name += " " + command.Name
	} else if m := unknownCommand.FindStringSubmatch(message); m != nil {
		if instead, ok := elsewhere[m[1]]; ok {
			return "unknown command", fmt.Sprintf("bkp has no command %q; %s", m[1], instead)
		}
		detail = fmt.Sprintf("bkp has no command %q", m[1])
		if m[2] != "" {
			detail += `; did you mean "` + strings.ReplaceAll(m[2], `", "`, `" or "`) + `"?`
		}
		return "unknown command", detail
	}
	for _, m := range mistakes {
		if at := m.kong.FindStringSubmatchIndex(message); at != nil {
			detail = string(m.kong.ExpandString(nil, strings.ReplaceAll(m.detail, "%s", name), message, at))
			return m.summary, spaced(detail)
		}
	}
	return "wrong command line", message
}

// spaced separates the values of an enumeration, which kong joins by commas.
func spaced(detail string) string { return strings.ReplaceAll(detail, `","`, `", "`) }

// usageOf is the hint for a command that was called in the wrong way.
func usageOf(command *kong.Node) string {
	if command == nil {
		return "list the commands:\n\n    bkp --help"
	}
	return fmt.Sprintf("usage:\n\n    bkp %s\n\nfor its flags and examples:\n\n    bkp %s --help", command.Summary(), command.Name)
}

// atLeastOne refuses a number of things at once that nothing can be done with.
func atLeastOne(flag string, n int) error {
	if n < 1 {
		return problem.Usage(problem.New("invalid flag value", fmt.Sprintf("%s must be at least 1, not %d", flag, n), "leave the flag out to use the default"))
	}
	return nil
}

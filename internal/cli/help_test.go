package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"bkp/internal/completion"
)

func run(args ...string) (code int, out, err string) {
	var o, e bytes.Buffer
	code = Run(context.Background(), args, IO{In: &bytes.Buffer{}, Out: &o, Err: &e, Hurry: context.Background()})
	return code, o.String(), e.String()
}

func commands() []*kong.Node { return Describe().Commands.Leaves(true) }

func TestEveryCommandIsExplained(t *testing.T) {
	for _, c := range commands() {
		t.Run(c.Path(), func(t *testing.T) {
			if _, examples := Details(c); !strings.Contains(examples, "bkp "+c.Name) {
				t.Errorf("no example: %q", c.Detail)
			}
			_, codes, _ := strings.Cut(c.Detail, exitTitle)
			if !strings.Contains(codes, "80  usage") {
				t.Error("the exit codes are not at the end of its help")
			}
			for _, v := range c.Values() {
				if v.Help == "" {
					t.Errorf("%s has no help", v.Summary())
				}
			}
			_, help, _ := run("help", c.Name)
			code, flag, _ := run(c.Name, "--help")
			if help != flag || code != ExitDone || !strings.HasSuffix(help, exitTitle+codes+"\n") {
				t.Errorf("bkp help %s and bkp %s --help differ, or do not end with the exit codes:\n%s\n%s", c.Name, c.Name, help, flag)
			}
		})
	}
}

// TestHelpFits: what is no command to copy is wrapped at the width of the
// terminal.
func TestHelpFits(t *testing.T) {
	for _, width := range []int{60, 80, 100} {
		t.Setenv("COLUMNS", strconv.Itoa(width))
		names := []string{""}
		for _, c := range commands() {
			names = append(names, c.Name)
		}
		for _, name := range names {
			_, help, _ := run(append([]string{"help"}, strings.Fields(name)...)...)
			help, _, _ = strings.Cut(help, examplesTitle)
			for line := range strings.Lines(help) {
				if len([]rune(strings.TrimRight(line, "\n"))) > width {
					t.Errorf("bkp help %s at %d columns: %q", name, width, line)
				}
			}
		}
	}
}

func TestNoCommandIsAMistakeThatExplains(t *testing.T) {
	code, out, err := run()
	if code != ExitUsage || err != "" {
		t.Errorf("code %d, said %q", code, err)
	}
	for _, want := range []string{"Usage: bkp", "Environment variables:", "BKP_VAR_", "bkp providers"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if _, help, _ := run("--help"); help != out {
		t.Errorf("bkp --help says something else:\n%s", help)
	}
}

func TestNearMisses(t *testing.T) {
	for given, want := range map[string]string{
		"plann":          `did you mean "plan"?`,
		"help plann":     `did you mean "plan"?`,
		"plan --ot=x":    `did you mean --out?`,
		"plan -otu=x":    `did you mean --out?`,
		"completion bas": `invalid argument: SHELL must be one of "bash", "zsh", "fish", not "bas"`,
	} {
		code, _, err := run(strings.Fields(given)...)
		if code != ExitUsage || !strings.Contains(err, want) {
			t.Errorf("bkp %s: code %d, %s", given, code, err)
		}
	}
}

// TestUsageErrorsHaveOneShape: what was wrong, with what, and how the command is
// called, whether kong finds it or bkp itself.
func TestUsageErrorsHaveOneShape(t *testing.T) {
	for given, want := range map[string]string{
		"pln":                                     "unknown command: bkp has no command \"pln\"",
		"plan extra":                              "unexpected argument: bkp plan does not take the argument \"extra\"",
		"plan --fast":                             "unknown flag: bkp plan has no flag --fast",
		"plan --target":                           "missing flag value: --target needs a value",
		"apply --parallelism":                     "missing flag value: --parallelism needs a value",
		"apply --parallelism=many":                "invalid flag value: --parallelism must be a whole number of at least 1",
		"apply --parallelism 0":                   "invalid flag value: --parallelism must be at least 1, not 0",
		"plan --parallelism=-3":                   "invalid flag value: --parallelism must be at least 1, not -3",
		"plan --parallelism -3":                   "invalid flag value: --parallelism must be a whole number of at least 1",
		"plan --format=pdf":                       "invalid flag value: --format must be one of \"text\", \"markdown\", not \"pdf\"",
		"plan --offline=maybe":                    "invalid flag value: --offline must be true or false, not \"maybe\"",
		"restore":                                 "missing argument: bkp restore needs the argument BACKUP",
		"plan --format=markdown --json":           "--format and --json cannot be combined",
		"verify --sample=5 prod-20261122T214431Z": "require --drill",
		"list --var x":                            "--var x: give it as NAME=VALUE",
	} {
		code, out, err := run(strings.Fields(given)...)
		err += out
		if code != ExitUsage || !strings.Contains(strings.ReplaceAll(err, `\"`, `"`), want) || strings.Contains(err, "EOL") || !strings.Contains(err, "usage:") && !strings.Contains(err, "--help") && !strings.Contains(err, "leave the flag out") {
			t.Errorf("bkp %s: code %d, %s", given, code, err)
		}
	}
}

// TestEnvironmentIsDocumented finds the variables that the source reads.
func TestEnvironmentIsDocumented(t *testing.T) {
	var known strings.Builder
	for _, v := range environment {
		known.WriteString(v.Name + " ")
	}
	reads := regexp.MustCompile(`(?:Getenv|LookupEnv)\("(\w+)"\)`)
	for _, dir := range []string{"internal/cli", "internal/engine", "internal/ui", "lang", "providers", "internal/host"} {
		err := filepath.WalkDir(filepath.Join("../..", dir), func(path string, d os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range reads.FindAllStringSubmatch(string(text), -1) {
				if !slices.Contains(strings.FieldsFunc(known.String(), func(r rune) bool { return r == ' ' || r == ',' }), m[1]) {
					t.Errorf("%s reads %s, which bkp --help does not mention", path, m[1])
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestEveryValueCanBeCompleted: a new flag needs a placeholder that says what
// it stands for.
func TestEveryValueCanBeCompleted(t *testing.T) {
	for _, c := range append(commands(), Describe().Commands.Node) {
		for _, v := range c.Values() {
			if !completion.Completed(v, sources()) {
				t.Errorf("bkp %s %s: no completion is known for %v", c.Name, v.Summary(), completion.Placeholders(v))
			}
		}
	}
}

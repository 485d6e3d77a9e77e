package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bkp/internal/records/catalog"
	"bkp/providers"
)

// TestCompletion has the shells themselves complete, in a folder with a
// configuration, a saved plan and a backup.
func TestCompletion(t *testing.T) {
	const id = "prod-20261122T214431Z"
	dir := t.TempDir()
	for name, text := range map[string]string{
		"main.bkp.hcl": `
bkp { state_dir = "state" }
instance "prod" {
  url      = "https://bitbucket.example.com"
  token    = env("NOT_SET_ON_THIS_MACHINE")
  home     = home.none.x
  database = database.none.x
  archives = [archive.none.x]
}
home "none" "x" {}
database "none" "x" {}
archive "none" "x" {}
`,
		"tonight.bkpplan": "",
		"tonight.bkpvars": "",
		"tonight.bkp.hcl": "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	entry := catalog.Entry{Status: catalog.Complete, Manifest: providers.Manifest{ID: id, Instance: "prod"}}
	if err := (catalog.Catalog{Dir: filepath.Join(dir, "state", "catalog")}).Put(entry); err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{
		"bkp pl":                           "plan",
		"bkp plan --ou":                    "--out",
		"bkp plan -de":                     "-detailed-exitcode",
		"bkp plan --out tonight.bkpp":      "tonight.bkpplan",
		"bkp plan --out=tonight.bkpp":      "--out=tonight.bkpplan",
		"bkp plan --json --target pr":      "prod",
		"bkp apply ton":                    "tonight.bkpplan",
		"bkp show ton":                     "tonight.bkpplan",
		"bkp --chdir sta":                  "state/",
		"bkp verify pr":                    id,
		"bkp -chdir=" + dir + " verify p":  id,
		"bkp --chdir " + dir + " verify p": id,
		"bkp restore x --target arch":      "archive.none.x",
		"bkp completion z":                 "zsh",
		"bkp help unl":                     "unlock",
		"bkp providers home.mi":            "home.mirror",
	}
	for shell, complete := range map[string]func(*testing.T, string, []string) []string{
		"bash": inBash, "zsh": inZsh, "fish": inFish,
	} {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil {
				if os.Getenv("CI") == "true" {
					t.Fatal(err)
				}
				t.Skip(err, "; install it: make deps")
			}
			typed := slices.Sorted(func(yield func(string) bool) {
				for line := range lines {
					if !yield(line) {
						return
					}
				}
			})
			got := complete(t, dir, typed)
			if len(got) != len(typed) {
				t.Fatalf("%d answers for %d lines: %q", len(got), len(typed), got)
			}
			for i, line := range typed {
				before := line[:strings.LastIndex(line, " ")+1]
				// Shells differ in whether they end a folder with a slash.
				if strings.TrimSuffix(got[i], "/") != before+strings.TrimSuffix(lines[line], "/") {
					t.Errorf("%q became %q, not %q", line, got[i], before+lines[line])
				}
			}
		})
	}
}

// shell runs a script with the lines as its arguments, and returns what it
// prints between brackets.
func shell(t *testing.T, dir string, lines []string, command ...string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], append(command[1:], lines...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "XDG_CONFIG_HOME=", "TERM=dumb")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var answers []string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimRight(line, "\r\n ")
		if inner, ok := strings.CutPrefix(line, "<"); ok {
			answers = append(answers, strings.TrimRight(strings.TrimSuffix(inner, ">"), " "))
		}
	}
	if len(answers) != len(lines) {
		t.Logf("%s", out)
	}
	return answers
}

// inBash splits the lines into words as bash does at the cursor, where "=" is
// a word of its own.
func inBash(t *testing.T, dir string, lines []string) []string {
	return shell(t, dir, lines, "bash", "--norc", "-c", `
source <(bkp completion bash)
complete -p bkp >/dev/null || exit 1
for line in "$@"; do
	eval "COMP_WORDS=(${line//=/ = })"
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_bkp
	echo "<${line%"${COMP_WORDS[COMP_CWORD]}"}${COMPREPLY[*]}>"
done`, "bash")
}

// inZsh types the lines into an interactive zsh, presses Tab, and has the line
// printed instead of run.
func inZsh(t *testing.T, dir string, lines []string) []string {
	return shell(t, dir, lines, "zsh", "-f", "-c", `
zmodload zsh/zpty
zpty -b z zsh -f -i
zpty -w z 'PS1=; unsetopt prompt_sp; autoload -U compinit; compinit -u -D; source <(bkp completion zsh); print REA""DY'
zpty -r z out '*READY*'
for line in "$@"; do
	zpty -w -n z "$line"$'\t\001print -r -- "<\005>"; print DO""NE\n'
	zpty -r z out $'*DONE*'
	print -r -- "$out"
done
zpty -d z`, "zsh")
}

func inFish(t *testing.T, dir string, lines []string) []string {
	return shell(t, dir, lines, "fish", "--no-config", "-c", `
bkp completion fish | source
for line in $argv
	set -l words (string split ' ' -- $line)
	echo "<"(string join ' ' -- $words[1..-2])" "(complete -C "$line" | string split -f1 \t)">"
end`)
}

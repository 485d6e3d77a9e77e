package completion

import (
	_ "embed" // the scripts
	"fmt"
	"io"
	"strings"
)

// Command is the hidden command that the scripts call: bkp __complete WORD…
const Command = "__complete"

//go:embed bkp.bash
var bash string

//go:embed bkp.zsh
var zsh string

//go:embed bkp.fish
var fish string

// Script returns what a shell is to source: bash, zsh or fish.
func Script(shell string) (string, bool) {
	s, ok := map[string]string{"bash": bash, "zsh": zsh, "fish": fish}[shell]
	return s, ok
}

// Words undoes what bash does to a command line: it makes "--out", "=" and
// "x" of --out=x.
func Words(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		last := len(out) - 1
		if args[i] == "=" && last >= 0 && strings.HasPrefix(out[last], "-") {
			out[last] += "="
			if i++; i < len(args) {
				out[last] += args[i]
			}
			continue
		}
		out = append(out, args[i])
	}
	return out
}

// Write prints an answer for a script: one candidate a line, with its help
// behind a tab, and the fallback on the last line.
func (a Answer) Write(w io.Writer) error {
	for _, c := range a.Candidates {
		if _, err := fmt.Fprintf(w, "%s\t%s\n", c.Value, c.Help); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, a.Fallback)
	return err
}

package completion

import (
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Candidate is one thing that could stand at the cursor.
type Candidate struct{ Value, Help string }

// Fallback is what the shell itself completes besides the candidates.
type Fallback string

// The fallbacks.
const (
	Nothing Fallback = "nothing"
	Files   Fallback = "files"
	Folders Fallback = "folders"
	// Plans are files without those of configurations.
	Plans Fallback = "plans"
)

// Source finds the values of a placeholder. Before are the complete words of
// the command line, for a Source that heeds the flags among them. It MUST be
// quick, and touch nothing but this machine's files.
type Source func(before []string) []Candidate

// Sources are the values by placeholder, such as ID. Placeholders of files and
// folders need none.
type Sources map[string]Source

// Answer is what the shell asked for. Values of a flag written as --flag=value
// stand without the flag.
type Answer struct {
	Candidates []Candidate
	Fallback   Fallback
}

// fallbacks are the placeholders that the shell completes.
var fallbacks = map[string]Fallback{"FILE": Files, "PLAN": Plans, "PATH": Files, "DIR": Folders}

// Complete answers for words, the arguments up to the cursor; the last one is
// at the cursor and may be empty.
func Complete(app *kong.Application, words []string, sources Sources) Answer {
	if len(words) == 0 {
		words = []string{""}
	}
	before, word := words[:len(words)-1], words[len(words)-1]
	at := walk(app.Node, before)
	flag, value, assigned := strings.Cut(word, "=")
	switch {
	case at.flag != nil:
		return values(at.flag.Value, word, before, sources)
	case !at.literal && strings.HasPrefix(word, "-") && assigned:
		if f := findFlag(at.node, flag); f != nil {
			return values(f.Value, value, before, sources)
		}
		return Answer{Fallback: Nothing}
	case !at.literal && strings.HasPrefix(word, "-"):
		return Answer{flags(at.node, word), Nothing}
	case len(at.node.Children) > 0:
		return Answer{children(at.node, word), Nothing}
	case len(at.node.Positional) == 0:
		return Answer{Fallback: Nothing}
	}
	n := at.positional
	if last := len(at.node.Positional) - 1; n > last {
		if !at.node.Positional[last].IsCumulative() {
			return Answer{Fallback: Nothing}
		}
		n = last
	}
	return values(at.node.Positional[n], word, before, sources)
}

// place is where the cursor is in the grammar.
type place struct {
	node *kong.Node
	// flag waits for its value.
	flag *kong.Flag
	// positional arguments that are there already.
	positional int
	// literal is set behind "--", where nothing is a flag.
	literal bool
}

func walk(root *kong.Node, words []string) place {
	at := place{node: root}
	for _, w := range words {
		switch {
		case at.flag != nil:
			at.flag = nil
		case w == "--" && !at.literal:
			at.literal = true
		case strings.HasPrefix(w, "-") && len(w) > 1 && !at.literal:
			name, _, assigned := strings.Cut(w, "=")
			if f := findFlag(at.node, name); f != nil && !assigned && !f.IsBool() {
				at.flag = f
			}
		default:
			i := slices.IndexFunc(at.node.Children, func(c *kong.Node) bool { return c.Name == w || slices.Contains(c.Aliases, w) })
			if i < 0 {
				at.positional++
				continue
			}
			at.node = at.node.Children[i]
		}
	}
	return at
}

// findFlag takes one dash or two, as bkp does.
func findFlag(node *kong.Node, word string) *kong.Flag {
	name := strings.TrimLeft(word, "-")
	for _, group := range node.AllFlags(true) {
		for _, f := range group {
			if f.Name == name || f.Short != 0 && string(f.Short) == name {
				return f
			}
		}
	}
	return nil
}

// flags keeps to one dash if that is how the word begins: shells take only
// what goes on as the word does.
func flags(node *kong.Node, word string) []Candidate {
	dashes := "--"
	if len(word) > 1 && word[1] != '-' {
		dashes = "-"
	}
	var out []Candidate
	for _, group := range node.AllFlags(true) {
		for _, f := range group {
			if name := dashes + f.Name; strings.HasPrefix(name, word) {
				out = append(out, Candidate{name, f.Help})
			}
		}
	}
	return out
}

func children(node *kong.Node, word string) []Candidate {
	var out []Candidate
	for _, c := range node.Children {
		if !c.Hidden && strings.HasPrefix(c.Name, word) {
			out = append(out, Candidate{c.Name, c.Help})
		}
	}
	return out
}

// values completes what the placeholder stands for.
func values(v *kong.Value, word string, before []string, sources Sources) Answer {
	answer := Answer{Fallback: Nothing}
	if v.Enum != "" {
		for _, e := range v.EnumSlice() {
			answer.Candidates = append(answer.Candidates, Candidate{Value: e})
		}
	}
	for _, p := range Placeholders(v) {
		if f, ok := fallbacks[p]; ok {
			answer.Fallback = f
		}
		if source, ok := sources[p]; ok {
			answer.Candidates = append(answer.Candidates, source(before)...)
		}
	}
	answer.Candidates = slices.DeleteFunc(answer.Candidates, func(c Candidate) bool { return !strings.HasPrefix(c.Value, word) })
	return answer
}

// Placeholders are the words for what a value stands for: ID and PLAN for
// ID|PLAN.
func Placeholders(v *kong.Value) []string {
	name := v.Name
	if v.Flag != nil {
		name = v.Flag.PlaceHolder
	}
	return strings.Split(strings.ToUpper(name), "|")
}

// Completed reports whether a value can be completed: by an enumeration, by its
// placeholder, or because there is nothing to complete in a number.
func Completed(v *kong.Value, sources Sources) bool {
	if v.IsBool() || v.Enum != "" {
		return true
	}
	switch v.Target.Kind() {
	case reflect.Int, reflect.Int64, reflect.Float64:
		return true
	default:
	}
	for _, p := range Placeholders(v) {
		if _, ok := fallbacks[p]; !ok && sources[p] == nil {
			return false
		}
	}
	return true
}

package cli

import (
	"fmt"
	"strings"

	"bkp/internal/problem"
	"bkp/internal/suggest"
	"bkp/lang"
	"bkp/providers/all"
)

type providersCmd struct {
	Name []string `arg:"" optional:"" name:"TOPIC" help:"A block such as instance, a strategy such as home mirror, functions, or one function."`
}

// Help is shown by bkp providers --help.
func (providersCmd) Help() string {
	return `Lists the blocks of the language and all strategies. Given a name, it
shows every attribute with its type and default, and an example. It needs
no configuration. --json prints one object with the whole schema.

Examples:
  bkp providers
  bkp providers home mirror
  bkp providers instance.lock
  bkp providers functions
  bkp providers --json

` + exitCodes("failed")
}

// functionsName is what shows all functions.
const functionsName = "functions"

// schemaDocument is what --json prints. FormatVersion grows by a minor number
// for what old readers may overlook.
type schemaDocument struct {
	FormatVersion string `json:"format_version"`
	lang.Schema
}

func (c *providersCmd) Run(s *session) error {
	schema := lang.Describe(all.Registry())
	name := strings.Join(c.Name, ".")
	chosen, ok := choose(schema, name)
	if !ok {
		hint := ""
		if near := suggest.Nearest(name, schemaNames(schema)); near != "" {
			hint = ", did you mean " + near + "?"
		}
		return problem.Usagef("unknown block, strategy or function %q%s; see bkp providers", name, hint)
	}
	if s.JSON {
		return s.stream().Write(schemaDocument{FormatVersion: "1.0", Schema: chosen})
	}
	if name == "" || len(chosen.Strategies) > 0 && len(chosen.Blocks) > 0 {
		s.out.Overview(chosen)
		s.page.Hint("for more on one of them, or on the functions:\n\n    bkp providers " + moreOn(chosen) + "\n    bkp providers " + functionsName)
		return nil
	}
	for _, b := range chosen.Blocks {
		s.out.Block(b)
	}
	for i, st := range chosen.Strategies {
		if i > 0 {
			_, _ = fmt.Fprintln(s.io.Out)
		}
		s.out.Strategy(st)
	}
	s.out.Functions(chosen.Functions)
	return nil
}

func moreOn(s lang.Schema) string {
	if len(s.Strategies) == 0 {
		return s.Blocks[0].Name
	}
	return s.Strategies[0].Address()
}

// choose returns the part of the schema that a name stands for. A block that
// has strategies brings these along.
func choose(s lang.Schema, name string) (lang.Schema, bool) {
	if name == "" {
		return s, true
	}
	if name == functionsName {
		return lang.Schema{Functions: s.Functions}, true
	}
	var out lang.Schema
	out.Blocks = findBlocks(s.Blocks, name)
	for _, st := range s.Strategies {
		if st.Address() == name || st.Kind == name || st.Type == name {
			out.Strategies = append(out.Strategies, st)
		}
		if inner, ok := strings.CutPrefix(name, st.Address()+"."); ok {
			out.Blocks = append(out.Blocks, findBlocks(st.Blocks, inner)...)
		}
	}
	for _, f := range s.Functions {
		if f.Name == name {
			out.Functions = append(out.Functions, f)
		}
	}
	return out, len(out.Blocks)+len(out.Strategies)+len(out.Functions) > 0
}

// findBlocks finds a block by its name, a nested one as lock or instance.lock.
func findBlocks(blocks []lang.Block, name string) []lang.Block {
	for _, b := range blocks {
		if b.Name == name {
			return []lang.Block{b}
		}
		inner, _ := strings.CutPrefix(name, b.Name+".")
		if found := findBlocks(b.Blocks, inner); found != nil {
			return found
		}
	}
	return nil
}

func schemaNames(s lang.Schema) []string {
	var names []string
	for _, t := range topics(s) {
		names = append(names, t.name)
	}
	for _, f := range s.Functions {
		names = append(names, f.Name)
	}
	return names
}

// topic is what bkp providers can show, but for single functions.
type topic struct{ name, help string }

func topics(s lang.Schema) []topic {
	out := []topic{{functionsName, "every function with its signature"}}
	for _, b := range s.Blocks {
		out = append(append(out, topic{b.Name, b.Summary}), nestedTopics(b.Name, b.Blocks)...)
	}
	for _, st := range s.Strategies {
		out = append(append(out, topic{st.Address(), st.Summary}), nestedTopics(st.Address(), st.Blocks)...)
	}
	return out
}

func nestedTopics(prefix string, blocks []lang.Block) []topic {
	var out []topic
	for _, b := range blocks {
		name := prefix + "." + b.Name
		out = append(append(out, topic{name, b.Summary}), nestedTopics(name, b.Blocks)...)
	}
	return out
}

// Command reference writes docs/reference: every block, strategy and function
// of the language, and every command, flag and environment variable; and
// docs/troubleshooting.md: every problem that bkp reports. It is run by make docs.
//
// All of it comes from what bkp itself works with: the schema that decodes
// (lang.Describe) and the grammar that parses (cli.Describe). Only the words
// between stand here.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"bkp/internal/cli"
	"bkp/lang"
	"bkp/providers/all"
)

func main() {
	dir := filepath.Join("docs", "reference")
	if err := write(dir, pages(lang.Describe(all.Registry()), cli.Describe())); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
	if err := writeTroubleshooting("."); err != nil {
		fmt.Fprintln(os.Stderr, "troubleshooting:", err)
		os.Exit(1)
	}
}

// writeTroubleshooting writes the page of all problems of the module at dir.
func writeTroubleshooting(dir string) error {
	all, err := troubles(dir)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "docs", "troubleshooting.md"), []byte(troubleshooting(all)), 0o644)
}

// write makes the folder hold exactly these pages.
func write(dir string, pages map[string]string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if _, stays := pages[filepath.Base(path)]; stays {
			continue
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// pages are the files of the reference by name.
func pages(schema lang.Schema, manual cli.Manual) map[string]string {
	out := map[string]string{
		"index.md":       index(schema),
		"functions.md":   functions(schema),
		"cli.md":         commands(manual),
		"environment.md": environment(manual),
	}
	for _, b := range schema.Blocks {
		out[b.Name+".md"] = blockPage(b, schema)
	}
	for _, s := range schema.Strategies {
		out[pageOf(s)] = strategyPage(s)
	}
	return out
}

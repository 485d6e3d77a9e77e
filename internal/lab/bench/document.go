package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2/maybe"

	"bkp/internal/problem"
)

// publish prints a section of the performance page and, where out names the
// folder of the page, writes it there.
func publish(out, section, text string) error {
	if _, err := fmt.Print(text); err != nil || out == "" {
		return err
	}
	return write(out, section, text)
}

// write puts a section into the performance page in the folder out, in place
// of the one before. Without a page it begins one.
func write(out, section, text string) error {
	page := filepath.Join(out, "performance.md")
	old, err := os.ReadFile(page)
	if errors.Is(err, os.ErrNotExist) {
		old, err = []byte("# Performance\n\n"+marker(section)+"\n"+end+"\n"), nil
	}
	if err != nil {
		return err
	}
	replaced, err := splice(string(old), section, text)
	if err != nil {
		return err
	}
	return maybe.WriteFile(page, []byte(replaced), 0o644)
}

const end = "<!-- end of what bench wrote -->"

func marker(section string) string { return "<!-- written by bench: " + section + " -->" }

// splice puts text between a section's markers, in place of what is there.
func splice(page, section, text string) (string, error) {
	before, rest, found := strings.Cut(page, marker(section))
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return "", problem.New("the page has no place for this section", section, "write these lines where it belongs:\n\n    "+marker(section)+"\n    "+end)
	}
	return before + marker(section) + "\n" + strings.TrimRight(text, "\n") + "\n" + end + after, nil
}

package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2/maybe"
)

// The page shows the newest result of each scale. A large scale takes an hour,
// so results of other runs stand beside new ones, each with its own note.
const recordFile = "performance.json"

// earlier returns the results of earlier runs that are recorded in the folder
// out. Without a folder or a record there are none.
func earlier(out string) ([]result, error) {
	if out == "" {
		return nil, nil
	}
	path := filepath.Join(out, recordFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var results []result
	if err := json.Unmarshal(text, &results); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return results, nil
}

// replace puts r in the place of what was measured at its scale.
func replace(results []result, r result) []result {
	rest := slices.DeleteFunc(slices.Clone(results), func(old result) bool { return old.Scale == r.Scale })
	rest = append(rest, r)
	slices.SortFunc(rest, func(a, b result) int { return cmp.Compare(a.Scale, b.Scale) })
	return rest
}

// record writes the results, the plot and the section of the page into the
// folder out; with none it does nothing.
func record(out string, results []result) error {
	if out == "" {
		return nil
	}
	text, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	var picture bytes.Buffer
	if err := drawWindows(&picture, results); err != nil {
		return err
	}
	for name, content := range map[string][]byte{recordFile: append(text, '\n'), "performance.svg": picture.Bytes()} {
		if err := maybe.WriteFile(filepath.Join(out, name), content, 0o644); err != nil {
			return err
		}
	}
	page := "![The lock window against the number of files](performance.svg)\n"
	for _, r := range results {
		page += "\n" + r.table()
	}
	return write(out, "backups", page)
}

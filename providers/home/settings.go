package home

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bkp/internal/host"
	"bkp/internal/javaprops"
	"bkp/internal/problem"
	"bkp/providers"
)

// mostSettings bounds what is read of bitbucket.properties, in bytes.
const mostSettings = 1 << 20

// checkSettings warns of what Bitbucket's settings say lies outside the backup. A home
// without the file, as in containers, has them in the environment of Bitbucket.
func (b *Base) checkSettings(r *providers.Report) {
	var text []byte
	err := fs.ErrNotExist
	file := ""
	for _, folder := range []string{"shared", "."} {
		if errors.Is(err, fs.ErrNotExist) {
			file = filepath.Join(b.Config.Path, folder, propertiesFile)
			text, err = host.ReadRegular(file, mostSettings)
		}
	}
	if err != nil {
		return // whether the home can be read is a finding of its own
	}
	entries, err := javaprops.Parse(text)
	if err != nil {
		r.Add(problem.Wrapf(err, "settings of Bitbucket cannot be read", "correct the file: Bitbucket cannot read it either", "%s", file))
		r.Findings[len(r.Findings)-1].Severity = problem.Warning
		return
	}
	b.checkKeys(r, file, entries)
	checkObjects(r, file, entries)
}

// checkKeys warns of keys that are not in the backup: without them Bitbucket cannot
// decrypt its settings, and does not start.
func (b *Base) checkKeys(r *providers.Report, file string, entries map[string]string) {
	var outside, missing []string
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		for _, path := range keyFiles(entries[name]) {
			switch {
			case slices.Contains(outside, path) || slices.Contains(missing, path):
			case !b.holds(path):
				outside = append(outside, path)
			case !isThere(path):
				missing = append(missing, path)
			}
		}
	}
	if len(outside) > 0 {
		r.Add(problem.Warn("key files lie outside the home", fmt.Sprintf("encrypted settings in %s need %s, which the backup does not hold: Bitbucket cannot start without", file, strings.Join(outside, ", ")),
			"keep a copy of these files in a safe place, apart from the backup; a restored Bitbucket wants them at the same path on every node"))
	}
	if len(missing) > 0 {
		r.Add(problem.Warn("key files are missing", fmt.Sprintf("encrypted settings in %s name %s, and nothing is there", file, strings.Join(missing, ", ")),
			"bring the files back from a copy, or encrypt the settings anew: Bitbucket does not start without"))
	}
}

// keyFiles are the absolute paths in a value that describes an encrypted secret, as
// JSON.
func keyFiles(value string) []string {
	var described map[string]any
	if !strings.HasPrefix(strings.TrimSpace(value), "{") || json.Unmarshal([]byte(value), &described) != nil {
		return nil
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(described)) {
		if path, ok := described[name].(string); ok && filepath.IsAbs(path) {
			out = append(out, filepath.Clean(path))
		}
	}
	return out
}

// holds reports whether a file is in one of the folders that are captured.
func (b *Base) holds(path string) bool {
	resolved := host.Resolve(path)
	return slices.ContainsFunc(b.Parts(), func(p Part) bool { return Within(resolved, host.Resolve(p.Source)) })
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// checkObjects warns of large files that Bitbucket keeps in a bucket. Atlassian's
// names of the settings may differ from version to version, so any that speaks of a
// bucket of S3 counts.
func checkObjects(r *providers.Report, file string, entries map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		if strings.Contains(name, "s3") && strings.HasSuffix(name, "bucket") || strings.Contains(name, "lfs") && strings.Contains(name, "bucket") {
			r.Add(problem.Warn("objects in a bucket lie outside the backup", fmt.Sprintf("%s in %s names the bucket %s: what Bitbucket keeps there, such as Git LFS objects, is not in the backup", name, file, entries[name]),
				"let versions of the bucket's objects, or a copy of it, be kept for as long as backups are"))
			return
		}
	}
}

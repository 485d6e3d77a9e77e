package home

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/internal/settings"
)

// checkSettings compares what Bitbucket's settings say with the backup: what lies outside
// of it, and which database is Bitbucket's. They stand in the home's file and in the
// environment.
func (b *Base) checkSettings(r *providers.Report) {
	if b.Config.mesh {
		return // they are the instance's
	}
	s, err := settings.Read(b.Config.Path)
	if errors.Is(err, settings.ErrBroken) { // whether the home can be read is a finding of its own
		p := problem.Wrap(err, "settings of Bitbucket cannot be read", "correct the file: Bitbucket cannot read it either")
		p.Severity = problem.Warning
		r.Add(p)
	}
	all := s.All()
	b.checkKeys(r, all)
	checkObjects(r, all)
	b.checkDatabase(r, s)
}

// checkKeys warns of keys that are not in the backup: without them Bitbucket cannot
// decrypt its settings, and does not start.
func (b *Base) checkKeys(r *providers.Report, all []settings.Entry) {
	outside, missing := keys{}, keys{}
	for _, e := range all {
		for _, path := range keyFiles(e) {
			switch {
			case !b.holds(path):
				outside.add(path, e.Where)
			case !isThere(path):
				missing.add(path, e.Where)
			}
		}
	}
	if len(outside) > 0 {
		r.Add(problem.Warn("key files lie outside the home", outside.String()+", which the backup does not hold: Bitbucket cannot start without",
			"keep a copy of these files in a safe place, apart from the backup; a restored Bitbucket wants them at the same path on every node"))
	}
	if len(missing) > 0 {
		r.Add(problem.Warn("key files are missing", missing.String()+", and nothing is there",
			"bring the files back from a copy, or encrypt the settings anew: Bitbucket does not start without"))
	}
}

// keys are paths, with the first place that names each.
type keys map[string]string

func (k keys) add(path, where string) {
	if _, known := k[path]; !known {
		k[path] = where
	}
}

// String says who needs what.
func (k keys) String() string {
	var places []string
	for _, path := range slices.Sorted(maps.Keys(k)) {
		if !slices.Contains(places, k[path]) {
			places = append(places, k[path])
		}
	}
	return "encrypted settings (" + strings.Join(places, ", ") + ") need " + strings.Join(slices.Sorted(maps.Keys(k)), ", ")
}

// keyVariable begins the names of variables in which Atlassian's cipher looks for paths that
// a setting leaves out. What follows is the class of the object in the file.
const keyVariable = "com_atlassian_db_config_password_ciphers_algorithm_"

// keyFiles are the absolute paths in a value that describes an encrypted secret, as
// JSON. Of the environment, where others have JSON, too, only what Atlassian calls the path
// of a file counts.
func keyFiles(e settings.Entry) []string {
	if e.IsVariable && strings.HasPrefix(e.Name, keyVariable) && filepath.IsAbs(e.Value) {
		return []string{filepath.Clean(e.Value)}
	}
	var described map[string]any
	if !settings.IsSealed(e.Value) || json.Unmarshal([]byte(e.Value), &described) != nil {
		return nil
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(described)) {
		path, ok := described[name].(string)
		if ok && filepath.IsAbs(path) && (!e.IsVariable || strings.HasSuffix(name, "FilePath")) {
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

// checkObjects warns of large files that Bitbucket keeps in a bucket.
func checkObjects(r *providers.Report, all []settings.Entry) {
	i := slices.IndexFunc(all, namesBucket)
	if i < 0 {
		return
	}
	r.Add(problem.Warn("objects in a bucket lie outside the backup", fmt.Sprintf("%s names the bucket %s: what Bitbucket keeps there, such as Git LFS objects, is not in the backup", all[i].Where, all[i].Value),
		"let versions of the bucket's objects, or a copy of it, be kept for as long as backups are"))
}

// namesBucket reports whether a setting is the bucket of LFS. Atlassian's names may differ from
// version to version, so any that speaks of a bucket of S3 counts. Variables that do so may
// be of bkp's own, unless they are those of a plugin's setting.
func namesBucket(e settings.Entry) bool {
	name := strings.ToLower(e.Name)
	if e.Value == "" || !strings.Contains(name, "bucket") {
		return false
	}
	ofPlugin := !e.IsVariable || strings.HasPrefix(name, "plugin_")
	return strings.Contains(name, "lfs") || ofPlugin && strings.Contains(name, "s3") && strings.HasSuffix(name, "bucket")
}

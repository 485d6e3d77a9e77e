package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"bkp/internal/problem"
	"bkp/internal/secret"
	"bkp/providers"
)

// protocol is the version of the documents.
const protocol = 1

// Request is what a command is asked. Fields that do not belong to its verb are
// left out.
type Request struct {
	Protocol int    `json:"protocol"`
	Verb     Verb   `json:"verb"`
	Address  string `json:"address"`
	Instance Named  `json:"instance"`
	// WorkDir is the component's own folder. It is there, but for verbs that
	// change nothing.
	WorkDir string             `json:"work_dir"`
	Backup  providers.BackupID `json:"backup,omitempty"`
	Home    *Home              `json:"home,omitempty"`
	// Ref, Facts and Trees are what the last verb that gave any has given.
	Ref   map[string]string `json:"ref,omitempty"`
	Facts map[string]string `json:"facts,omitempty"`
	Trees []Tree            `json:"trees,omitempty"`
	// Note is for keep.
	Note string `json:"note,omitempty"`
	// Target is what a restore goes to, "" for the usual place, and Into are the
	// folders that it has to fill.
	Target string `json:"target,omitempty"`
	Into   []Tree `json:"into,omitempty"`
}

// Named is an instance.
type Named struct {
	Name string `json:"name"`
	URL  string `json:"url,omitempty"`
}

// Home are the folders of a home.
type Home struct {
	Path       string   `json:"path"`
	DataStores []string `json:"data_stores,omitempty"`
}

// Tree is a folder of an artifact.
type Tree struct {
	Place    string   `json:"place,omitempty"`
	Path     string   `json:"path"`
	LeaveOut []string `json:"leave_out,omitempty"`
}

// Answer is what a command prints.
type Answer struct {
	Findings     []Finding         `json:"findings"`
	Facts        map[string]string `json:"facts"`
	Estimate     *Estimate         `json:"estimate"`
	Repositories *int              `json:"repositories"`
	Tree         string            `json:"tree"`
	Trees        []Tree            `json:"trees"`
	Ref          map[string]string `json:"ref"`
	Backups      []Kept            `json:"backups"`
}

// Finding is a problem that a command reports.
type Finding struct {
	Severity problem.Severity `json:"severity"`
	Summary  string           `json:"summary"`
	Detail   string           `json:"detail"`
	Remedy   string           `json:"remedy"`
}

// Estimate is how much there is.
type Estimate struct {
	Files int64 `json:"files"`
	Bytes int64 `json:"bytes"`
}

// Kept is a backup that stays in the storage.
type Kept struct {
	Backup providers.BackupID `json:"backup"`
	Ref    map[string]string  `json:"ref"`
	Facts  map[string]string  `json:"facts"`
	Note   string             `json:"note"`
}

// fields are those that each verb may answer with, besides findings.
var fields = map[Verb][]string{
	Check: {"facts", "estimate", "repositories"}, Prepare: {"facts", "ref"}, Warm: {"facts", "ref"},
	Capture: {"facts", "ref", "tree", "trees"}, Finish: {"facts", "ref", "tree", "trees"},
	List: {"backups"}, CheckRestore: {"facts"},
}

// parse reads what a command printed, which may be nothing. Its texts are
// redacted.
func parse(v Verb, text []byte, secrets []secret.String) (Answer, error) {
	var a Answer
	if len(bytes.TrimSpace(text)) == 0 {
		return a, nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return Answer{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Answer{}, errors.New("there is more after the JSON object")
	}
	if err := a.belongsTo(v); err != nil {
		return Answer{}, err
	}
	a.redact(secrets)
	return a, a.wellFormed()
}

// belongsTo refuses fields of other verbs: they are a mistake, and silence about
// it would lose what they say.
func (a *Answer) belongsTo(v Verb) error {
	given := map[string]bool{
		"facts": a.Facts != nil, "estimate": a.Estimate != nil, "repositories": a.Repositories != nil,
		"tree": a.Tree != "", "trees": a.Trees != nil, "ref": a.Ref != nil, "backups": a.Backups != nil,
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if given[name] && !slices.Contains(fields[v], name) {
			return fmt.Errorf("%s has no field %q", v, name)
		}
	}
	return nil
}

func (a *Answer) redact(secrets []secret.String) {
	clean := func(text *string) { *text = secret.Redact(*text, secrets...) }
	cleanAll := func(m map[string]string) {
		for key, value := range m {
			m[key] = secret.Redact(value, secrets...)
		}
	}
	for i := range a.Findings {
		f := &a.Findings[i]
		clean(&f.Summary)
		clean(&f.Detail)
		clean(&f.Remedy)
	}
	clean(&a.Tree)
	for i := range a.Trees {
		clean(&a.Trees[i].Path)
	}
	cleanAll(a.Facts)
	cleanAll(a.Ref)
	for i := range a.Backups {
		cleanAll(a.Backups[i].Ref)
		cleanAll(a.Backups[i].Facts)
		clean(&a.Backups[i].Note)
	}
}

func (a *Answer) wellFormed() error {
	for _, f := range a.Findings {
		if f.Severity != problem.Error && f.Severity != problem.Warning || f.Summary == "" {
			return fmt.Errorf("a finding has the severity %q and the summary %q; it needs a summary, and %q or %q", f.Severity, f.Summary, problem.Error, problem.Warning)
		}
	}
	if a.Estimate != nil && (a.Estimate.Files < 0 || a.Estimate.Bytes < 0) || a.Repositories != nil && *a.Repositories < 0 {
		return errors.New("an estimate is negative")
	}
	for _, k := range a.Backups {
		if _, err := providers.ParseBackupID(string(k.Backup)); err != nil {
			return err
		}
	}
	if a.Tree != "" && a.Trees != nil {
		return errors.New("it has both tree and trees")
	}
	if err := wellNamed(a.Ref); err != nil {
		return err
	}
	for _, k := range a.Backups {
		if err := wellNamed(k.Ref); err != nil {
			return err
		}
	}
	return wellPlaced(a.Trees)
}

// wellNamed refuses keys that could not be part of a variable's name, and bkp's own.
func wellNamed(ref map[string]string) error {
	for key := range ref {
		if !variableName.MatchString(key) {
			return fmt.Errorf("the key %q of ref has other characters than letters, digits and _", key)
		}
	}
	if _, reserved := ref[refBackup]; reserved {
		return fmt.Errorf("the key %q of ref is bkp's own", refBackup)
	}
	return nil
}

// wellPlaced refuses trees that could not be stored side by side.
func wellPlaced(trees []Tree) error {
	for i, t := range trees {
		if !filepath.IsAbs(t.Path) {
			return fmt.Errorf("the path %q is not absolute", t.Path)
		}
		if t.Place != "" && (path.Clean(t.Place) != t.Place || !filepath.IsLocal(filepath.FromSlash(t.Place)) || t.Place == ".") {
			return fmt.Errorf("%q is no place: give a relative path with slashes", t.Place)
		}
		for _, other := range trees[:i] {
			if within(t.Place, other.Place) || within(other.Place, t.Place) {
				return fmt.Errorf("of the places %q and %q one holds the other", other.Place, t.Place)
			}
		}
	}
	return nil
}

func within(place, in string) bool {
	return in == "" || place == in || strings.HasPrefix(place, in+"/")
}

package restic

import (
	"encoding/json"
	"io/fs"
	"strings"
	"testing"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
)

// TestManifestThatCannotBe: who may write to a repository can leave any text there
// as the manifest of a backup. What bkp did not write of that backup is refused.
func TestManifestThatCannotBe(t *testing.T) {
	const hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	good := func() document {
		art := providers.Artifact{Address: artifact}
		return document{
			Manifest: providers.Manifest{
				Format: providers.ManifestFormat, ID: id, Instance: id.Instance(), Created: time.Unix(1, 0), Artifacts: []providers.Artifact{art},
				Stored: []providers.Stored{{Parts: map[string]providers.Part{artifact: {Files: 1, Bytes: 1}}}},
			},
			Trees: map[string][]tree{artifact: {{Snapshot: hash, Tree: hash, Root: root{Mode: fs.ModeDir | 0o700}}}},
		}
	}
	for name, c := range map[string]struct {
		forge         func(*document)
		want, summary string
	}{
		"as it was":             {func(*document) {}, "", ""},
		"newer":                 {func(d *document) { d.Manifest.Format++ }, "this version of bkp reads up to", manifestNewer},
		"without a format":      {func(d *document) { d.Manifest.Format = 0 }, "format 0", ""},
		"of another backup":     {func(d *document) { d.Manifest.ID = later }, "it is of backup", ""},
		"of no archive":         {func(d *document) { d.Manifest.Stored = nil }, "it names 0 archives", ""},
		"one address twice":     {func(d *document) { d.Manifest.Artifacts = append(d.Manifest.Artifacts, d.Manifest.Artifacts[0]) }, "cannot be", ""},
		"a path of a machine":   {func(d *document) { d.Manifest.Artifacts[0].Trees = providers.OneTree("/etc") }, "cannot be", ""},
		"a part of nothing":     {func(d *document) { d.Trees["x"] = d.Trees[artifact] }, "no such artifact", ""},
		"a part without trees":  {func(d *document) { d.Trees[artifact] = nil }, "it has 0 trees", ""},
		"a place above":         {func(d *document) { d.Trees[artifact][0].Place = "../outside" }, "it has the place", ""},
		"an option of restic":   {func(d *document) { d.Trees[artifact][0].Snapshot = "--verbose" }, "cannot be its snapshot", ""},
		"a root that is a file": {func(d *document) { d.Trees[artifact][0].Root.Mode = 0o644 }, "it has the place", ""},
		"files below zero":      {func(d *document) { d.Manifest.Stored[0].Parts[artifact] = providers.Part{Files: -1} }, "-1 entries", ""},
		"counts that wrap": {func(d *document) {
			d.Manifest.Stored[0].Parts[artifact] = providers.Part{Files: 1 << 62, Bytes: 1 << 62}
		}, "entries with", ""},
		"parts without snapshot": {func(d *document) { delete(d.Manifest.Stored[0].Parts, artifact) }, "0 parts", ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := good()
			c.forge(&d)
			text, err := json.Marshal(d)
			must(t, err)
			read, err := decode(text)
			must(t, err)
			err = plausible(read, id, true)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if p := asProblem(err); c.summary != "" && (p == nil || p.Summary != c.summary || problem.Remedy(err) == "") {
				t.Errorf("%v, want %q", err, c.summary)
			}
		})
	}
}

package figures_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bkp/internal/engine/figures"
	"bkp/internal/lab/bed"
	"bkp/internal/records/catalog"
	"bkp/providers"
	"bkp/providers/metrics/prometheus"
)

const monitoring = "../../../examples/monitoring"

// full is an instance that has every figure.
func full() figures.Standing {
	at := time.Unix(1_800_000_000, 0)
	e := backup(at, catalog.Complete, "archive.tar.a")
	n := 7
	e.Manifest.Window = map[string]time.Duration{"lock": time.Second}
	e.Manifest.Artifacts = []providers.Artifact{{Address: "home.mirror.a", Change: &providers.Change{Files: 1, Bytes: 2}, Repositories: &n}}
	e.Manifest.Stored[0].Parts = map[string]providers.Part{"home.mirror.a": {Files: 1, Bytes: 2, Objects: []providers.Object{{Bytes: 1}}}}
	return figures.Standing{
		Instance: "prod", URL: "https://b.example/\"quoted\"\n", Tool: "1.0", Shelves: []string{"archive.tar.a"}, Backups: []catalog.Entry{e},
		Proven: &catalog.Drill{At: at, Duration: time.Minute}, MaxProofAge: time.Hour,
		Last: map[string]catalog.Run{"backup": {Began: at, Ended: at.Add(time.Minute), Window: time.Second, Steps: []catalog.RunStep{{Address: "home.mirror.a", Phase: "prepare", Took: time.Second}}}},
	}
}

// unknownFigures are the names in a text that no figure has.
func unknownFigures(text string) []string {
	known := map[string]bool{}
	for _, f := range figures.Of(full()).Families {
		known[f.Name] = true
	}
	var out []string
	for _, name := range regexp.MustCompile(`\bbkp_[a-z0-9_]+`).FindAllString(text, -1) {
		if !known[name] {
			out = append(out, name)
		}
	}
	return out
}

// TestTheRulesKnowTheFigures: an alert about a figure that is not there never comes.
func TestTheRulesKnowTheFigures(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(monitoring, "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if unknown := unknownFigures(string(text)); len(unknown) > 0 || !strings.Contains(string(text), "bkp_may_be_locked") {
		t.Errorf("the rules ask for %v", unknown)
	}
	if got := unknownFigures("bkp_lock_window_secs > 1"); !slices.Equal(got, []string{"bkp_lock_window_secs"}) {
		t.Errorf("a misspelt figure is not seen: %v", got)
	}
}

// TestTheDashboardIsSound: panels have ids of their own, do not lie on each other, and
// ask for figures that there are.
func TestTheDashboardIsSound(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(monitoring, "dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	type grid struct{ X, Y, W, H int }
	var d struct {
		UID, Title    string
		SchemaVersion int
		Templating    struct{ List []struct{ Name, Type string } }
		Panels        []struct {
			ID          int
			Title, Type string
			Datasource  struct{ UID string }
			GridPos     grid
			Targets     []struct{ RefID, Expr string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	if d.UID == "" || d.Title == "" || d.SchemaVersion < 30 || len(d.Panels) == 0 {
		t.Errorf("uid %q, title %q, schema %d, %d panels", d.UID, d.Title, d.SchemaVersion, len(d.Panels))
	}
	variables := map[string]bool{}
	for _, v := range d.Templating.List {
		variables[v.Name] = true
	}
	for _, used := range regexp.MustCompile(`\$\{?(\w+)`).FindAllStringSubmatch(string(text), -1) {
		if !variables[used[1]] && !strings.HasPrefix(used[1], "__") {
			t.Errorf("the variable %s is not there", used[1])
		}
	}
	ids := map[int]bool{}
	var places []grid
	for _, p := range d.Panels {
		if p.ID == 0 || ids[p.ID] || p.Title == "" || p.Type == "" {
			t.Errorf("panel %d, %q: its id, title or type", p.ID, p.Title)
		}
		ids[p.ID] = true
		g := p.GridPos
		if g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
			t.Errorf("%s lies at %+v", p.Title, g)
		}
		for _, o := range places {
			if g.X < o.X+o.W && o.X < g.X+g.W && g.Y < o.Y+o.H && o.Y < g.Y+g.H {
				t.Errorf("%s lies on another panel: %+v, %+v", p.Title, g, o)
			}
		}
		places = append(places, g)
		refs := map[string]bool{}
		for _, target := range p.Targets {
			if unknown := unknownFigures(target.Expr); len(unknown) > 0 || refs[target.RefID] || target.RefID == "" || !strings.Contains(target.Expr, "bkp_") {
				t.Errorf("%s asks for %q, unknown %v", p.Title, target.Expr, unknown)
			}
			refs[target.RefID] = true
		}
	}
}

// TestBedPromtool has Prometheus' own tool read what is written, and the rules.
func TestBedPromtool(t *testing.T) {
	promtool := filepath.Join(bed.Stage(t, bed.Promtool), "usr", "bin", "promtool")
	check := func(stdin []byte, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Stdin = bytes.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := check(nil, "check", "rules", filepath.Join(monitoring, "alerts.yml")); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	dir := t.TempDir()
	cfg := prometheus.Config{Textfile: dir}
	to, err := providers.Meters.Open(prometheus.Definition(), &cfg, providers.Env{})
	if err == nil {
		err = to.Record(t.Context(), figures.Of(full()))
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "bkp_prod.prom"))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := check(text, "check", "metrics"); err != nil || strings.TrimSpace(out) != "" {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := check(append(text, "bkp_info{version=\n"...), "check", "metrics"); err == nil {
		t.Error("broken figures are not seen")
	}
}

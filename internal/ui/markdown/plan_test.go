package markdown_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"

	"bkp/internal/engine/plan"
	"bkp/internal/ui/markdown"
)

var update = flag.Bool("update", false, "write the golden files")

func one(instance string) plan.Plan {
	address := "instance." + instance
	start := plan.NewNode(plan.Start, address, "start the backup task")
	drain := plan.NewNode(plan.Drain, address, "wait until the database and git are drained", start.ID)
	capture := plan.NewNode(plan.Capture, "home.mirror.a", "copy files changed since the live pass", drain.ID)
	return plan.Plan{
		Instance: instance, Address: address, URL: "https://b.example.com/" + instance, Version: "9.4.16",
		Before:   []plan.Node{plan.NewNode(plan.Prepare, "home.mirror.a", "copy 3 files of `odd|name`")},
		Locked:   &plan.Locked{Budget: plan.Duration(10 * time.Minute), DrainTimeout: plan.Duration(90 * time.Second), Nodes: []plan.Node{start, drain, capture}},
		After:    []plan.Node{plan.NewNode(plan.Store, "archive.tar.a", "write /backup/ID.tar.zst", capture.ID)},
		Warnings: []plan.Warning{{Address: address, Summary: "no retention", Detail: "backups will pile up", Remedy: "add one:\n\n    retention = retention.a"}},
	}
}

func TestPlan(t *testing.T) {
	offline := one("prod")
	offline.Version = ""
	offline.NotChecked = []plan.NotChecked{{Address: address("prod"), What: "that it answers"}, {Address: "bkp", What: "free space"}}
	open := one("prod")
	open.Locked = nil
	diags := hcl.Diagnostics{
		{Severity: hcl.DiagWarning, Summary: "No retention", Detail: "backups will pile up"},
		{Severity: hcl.DiagError, Summary: "Tool <not> found", Detail: "rsync\ninstall it:\n\n    apt install rsync\n    # or `dnf`\n", Subject: &hcl.Range{Filename: "main.bkp.hcl", Start: hcl.Pos{Line: 7}}},
	}
	var many hcl.Diagnostics
	for range 12 {
		many = append(many, diags[0])
	}
	cases := map[string]struct {
		file     plan.File
		findings []markdown.Finding
	}{
		"plan":    {plan.File{Plans: []plan.Plan{one("prod")}}, markdown.Warnings([]plan.Plan{one("prod")})},
		"errors":  {plan.File{Plans: []plan.Plan{one("prod")}}, markdown.Findings(diags)},
		"offline": {plan.File{Offline: true, Plans: []plan.Plan{offline}}, nil},
		"no_lock": {plan.File{Plans: []plan.Plan{open}}, nil},
		"no_plan": {plan.File{}, markdown.Findings(diags[1:])},
		"fleet":   {plan.File{Plans: []plan.Plan{one("a"), one("b"), one("c"), one("d")}}, markdown.Findings(many)},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := markdown.Plan(&out, c.file, c.findings); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".md")
			if *update {
				if err := os.WriteFile(golden, out.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), out.String()); diff != "" {
				t.Errorf("-want +got; `go test ./internal/ui/markdown -update` accepts:\n%s", diff)
			}
			if strings.Contains(out.String(), "\n\n\n") {
				t.Error("an empty line too many")
			}
		})
	}
}

func address(name string) string { return "instance." + name }

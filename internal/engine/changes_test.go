package engine

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"bkp/internal/engine/plan"
)

func TestChangesReadLikeTerraforms(t *testing.T) {
	got := describeChanges([]plan.Change{
		{Ground: plan.GroundFormat, Key: "format_version", Old: "2", New: "1"},
		{Ground: plan.GroundTool, Key: "version", Old: "1.0.0", New: "1.1.0"},
		{Ground: plan.GroundConfiguration, Address: "archive.tar.old", Removed: true},
		{Ground: plan.GroundConfiguration, Address: "home.mirror.a", Key: "path", Old: `"/srv/\u003ca\u003e"`, New: `"/mnt"`},
		{Ground: plan.GroundConfiguration, Address: "home.mirror.a", Key: "data_stores", Old: `null`, New: `["/a","/b c"]`},
		{Ground: plan.GroundConfiguration, Address: "home.mirror.a", Key: "labels", New: `{"b":1,"a":true}`, Added: true},
		{Ground: plan.GroundConfiguration, Address: "instance.prod", Key: "password", Old: `"(sensitive)"`, New: `null`},
		{Ground: plan.GroundConfiguration, Address: "instance.prod", Key: "budget", Old: `"5m"`, Removed: true},
		{Ground: plan.GroundFacts, Address: "instance.prod", Key: "version", Old: "9.4.16", New: "9.\x1b[31m5"},
		{Ground: plan.GroundFacts, Address: "instance.prod", Key: "build", Old: "", New: "904016"},
		{Ground: plan.GroundFacts, Address: "home.mirror.b", Added: true},
	})
	want := `format of the plan
  ~ format_version:            2 -> 1
bkp
  ~ version:                   1.0.0 -> 1.1.0
configuration
  - archive.tar.old is gone
  ~ home.mirror.a.path:        "/srv/<a>" -> "/mnt"
  ~ home.mirror.a.data_stores: null -> ["/a", "/b c"]
  + home.mirror.a.labels:      {a = true, b = 1}
  ~ instance.prod.password:    (sensitive) -> null
  - instance.prod.budget:      "5m"
what was seen
  ~ instance.prod.version:     9.4.16 -> "9.\x1b[31m5"
  ~ instance.prod.build:       "" -> 904016
  + home.mirror.b is new`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

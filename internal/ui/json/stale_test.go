package json_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bkp/internal/engine/plan"
	jsonui "bkp/internal/ui/json"
)

func TestStale(t *testing.T) {
	var out bytes.Buffer
	err := jsonui.NewStream(&out).Write(jsonui.NewStale([]plan.Change{
		{Ground: plan.GroundConfiguration, Address: "home.mirror.a", Key: "path", Old: `"/a"`, New: `["/b"]`},
		{Ground: plan.GroundConfiguration, Address: "home.mirror.b", Added: true},
		{Ground: plan.GroundFacts, Address: "instance.prod", Key: "version", Old: "9.4", Removed: true},
		{Ground: plan.GroundTool, Key: "version", Old: "1", New: "2"},
	}))
	want := `{"event":"stale","changes":[` +
		`{"ground":"configuration","address":"home.mirror.a","key":"path","old":"/a","new":["/b"]},` +
		`{"ground":"configuration","address":"home.mirror.b","old":null,"new":null},` +
		`{"ground":"facts","address":"instance.prod","key":"version","old":"9.4","new":null},` +
		`{"ground":"tool","key":"version","old":"1","new":"2"}]}` + "\n"
	if diff := cmp.Diff(want, out.String()); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

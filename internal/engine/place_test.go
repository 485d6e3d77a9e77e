package engine

import (
	"path/filepath"
	"slices"
	"testing"
)

// TestATargetIsInNoFolderThatIsInUse: its own place is right, and two targets are apart.
func TestATargetIsInNoFolderThatIsInUse(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	taken := []takenFolder{{"the state folder", "", at("state")}, {"home.x.a", "", at("a")}, {"home.x.b", "", at("b/in")}}
	own := []takenFolder{{"home.x.a", "", at("a")}, {"home.x.b", "", at("b/in")}}
	for _, c := range []struct {
		to   []destination
		want []string
	}{
		{[]destination{{"home.x.a", "", at("new")}, {"home.x.b", "", at("newer")}}, nil},
		{[]destination{{"home.x.a", "", at("a")}, {"home.x.b", "", at("b/in")}}, nil},
		{[]destination{{"home.x.a", "", at("state/x")}}, []string{"home.x.a"}},
		{[]destination{{"home.x.a", "", at("b")}}, []string{"home.x.a"}},
		{[]destination{{"home.x.a", "", at("b/in")}}, []string{"home.x.a"}},
		{[]destination{{"home.x.a", "", at("new")}, {"home.x.b", "", at("new/b")}}, []string{"home.x.b"}},
		{[]destination{{"home.x.a", "", at("new")}, {"home.x.b", "", at("new")}}, []string{"home.x.b"}},
	} {
		found, err := (&opener{}).misplacedOn(t.Context(), "", c.to, taken, own)
		var got []string
		for _, f := range found {
			got = append(got, f.Address)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, %v", c.to, found, err)
		}
	}
}

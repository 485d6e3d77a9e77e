package providers

import (
	"slices"
	"testing"
)

func TestASelectionKnowsWhatIsBelowAndAbove(t *testing.T) {
	s := NewSelection("home/a/b", "home/a/b/c", "home/x", "home/a/b", "home/a/bc")
	if want := (Selection{"home/a/b", "home/a/bc", "home/x"}); !slices.Equal(s, want) {
		t.Fatalf("%q, want %q", s, want)
	}
	for name, want := range map[string][2]bool{ // holds, leads
		"": {false, true}, "home": {false, true}, "home/a": {false, true}, "home/a/b": {true, false}, "home/a/b/z": {true, false},
		"home/a/bcd": {false, false}, "hom": {false, false}, "home/xy": {false, false},
	} {
		if got := [2]bool{s.Holds(name), s.Leads(name)}; got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
	hides := func(rel, name string, dir bool) bool {
		hide := s.Matcher()(rel)
		return hide != nil && hide(name, dir)
	}
	for _, c := range []struct {
		rel, name string
		dir, want bool
	}{
		{"", "home", true, false}, {"", "home", false, true}, {"", "stores", true, true}, {"home", "a", true, false},
		{"home", "y", true, true}, {"home", "x", false, false}, {"home/a", "b", false, false}, {"home/a/b", "anything", false, false},
	} {
		if got := hides(c.rel, c.name, c.dir); got != c.want {
			t.Errorf("%q in %q is hidden: %v", c.name, c.rel, got)
		}
	}
}

func TestASelectionInAFolder(t *testing.T) {
	s := NewSelection("home/a", "home/b/c", "stores/0/x")
	for folder, want := range map[string]struct {
		paths Selection
		some  bool
	}{
		"": {s, true}, "home": {Selection{"a", "b/c"}, true}, "home/a": {nil, true}, "home/a/below": {nil, true}, "home/b": {Selection{"c"}, true},
		"stores/1": {nil, false}, "stores": {Selection{"0/x"}, true},
	} {
		if got, some := s.In(folder); !slices.Equal(got, want.paths) || some != want.some {
			t.Errorf("in %q: %q, %v", folder, got, some)
		}
	}
	if all, some := Selection(nil).In("home"); len(all) > 0 || !some {
		t.Error("a selection of everything does not have everything")
	}
}

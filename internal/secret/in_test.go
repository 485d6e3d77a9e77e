package secret_test

import (
	"slices"
	"testing"

	"bkp/internal/secret"
)

func TestInFindsEverySecret(t *testing.T) {
	type inner struct{ hidden, none secret.String }
	type node struct {
		Next  *node
		Any   any
		Map   map[string]secret.String
		List  []inner
		Array [1]*secret.String
	}
	s := secret.New("array")
	n := &node{
		Any: inner{hidden: secret.New("any")}, Map: map[string]secret.String{"x": secret.New("map")},
		List: []inner{{hidden: secret.New("list")}}, Array: [1]*secret.String{&s},
	}
	n.Next = n // as blocks refer to each other
	var got []string
	for _, s := range secret.In(n) {
		got = append(got, s.Reveal())
	}
	slices.Sort(got)
	if want := []string{"any", "array", "list", "map"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := secret.In(nil); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

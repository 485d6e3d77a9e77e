package drill

import "testing"

func TestReplicasAreJudgedByMajority(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		states    map[string][]string
		holders   []string
		tolerated bool
		differs   bool
	}{
		"all agree":         {map[string][]string{"x": {"a", "b", "c"}}, []string{"a", "b", "c"}, false, false},
		"one is behind":     {map[string][]string{"x": {"a", "b"}, "y": {"c"}}, []string{"a", "b", "c"}, true, false},
		"one is missing":    {map[string][]string{"x": {"a", "b"}}, []string{"a", "b", "c"}, true, false},
		"two are missing":   {map[string][]string{"x": {"a"}}, []string{"a", "b", "c"}, false, true},
		"all differ":        {map[string][]string{"x": {"a"}, "y": {"b"}, "z": {"c"}}, []string{"a", "b", "c"}, false, true},
		"one of two":        {map[string][]string{"x": {"a"}, "y": {"b"}}, []string{"a", "b"}, false, true},
		"only one there is": {map[string][]string{"x": {"a"}}, []string{"a"}, false, false},
	} {
		d := &drill{}
		d.judge(7, test.states, test.holders)
		if (len(d.result.Tolerated) > 0) != test.tolerated || (len(d.result.Differences) > 0) != test.differs {
			t.Errorf("%s: tolerated %q, differences %q", name, d.result.Tolerated, d.result.Differences)
		}
	}
}

package elasticsearch_test

import (
	"slices"
	"testing"

	"bkp/providers/elasticsearch"
)

// TestARepositoryThatIsRegisteredHasAPlace: all of it, and only if it is to be registered.
func TestARepositoryThatIsRegisteredHasAPlace(t *testing.T) {
	bucket := elasticsearch.Need{Name: "bucket", Value: "snapshots"}
	role, noRole := elasticsearch.Need{Name: "role_arn", Value: "arn"}, elasticsearch.Need{Name: "role_arn"}
	for name, c := range map[string]struct {
		register bool
		needs    []elasticsearch.Need
		wrong    bool
	}{
		"registered by others":    {false, []elasticsearch.Need{bucket, noRole}, false},
		"all there":               {true, []elasticsearch.Need{bucket, role}, false},
		"one of two":              {true, []elasticsearch.Need{bucket, noRole}, true},
		"the other of the two":    {true, []elasticsearch.Need{{Name: "bucket"}, role}, true},
		"the only one is missing": {true, []elasticsearch.Need{{Name: "bucket"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := elasticsearch.Defaults()
			cfg.Register = c.register
			found := cfg.ValidatePlace(c.needs...)
			if (len(found) == 1) != c.wrong || len(found) > 1 {
				t.Fatalf("%+v", found)
			}
			if c.wrong && (found[0].Attribute != "bucket" || !slices.Contains(found[0].Rests, "register") || found[0].Remedy == "") {
				t.Errorf("%+v", found[0])
			}
		})
	}
}

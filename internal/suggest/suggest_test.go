package suggest_test

import (
	"testing"

	"bkp/internal/suggest"
)

func TestNearest(t *testing.T) {
	for given, want := range map[string]string{
		"instance.prdo": "instance.prod", "prod": "prod", "PROD": "", "staging": "", "": "", "b": "", "ap": "app",
	} {
		if got := suggest.Nearest(given, []string{"instance.prod", "prod", "app", "a"}); got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}

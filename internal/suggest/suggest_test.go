package suggest_test

import (
	"testing"

	"bkp/internal/suggest"
)

func TestNearest(t *testing.T) {
	names := []string{"instance.prod", "prod", "app", "a", "username", "url", "each", "exclude_repositories"}
	for given, want := range map[string]string{
		"instance.prdo": "instance.prod", "pord": "prod", "aech": "each", "prod": "prod", "PROD": "prod", "staging": "", "": "", "b": "", "ap": "app",
		"user": "username", "base_url": "url", "URL": "url", "exclude": "exclude_repositories", "path": "", "instance.staging": "",
	} {
		if got := suggest.Nearest(given, names); got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}

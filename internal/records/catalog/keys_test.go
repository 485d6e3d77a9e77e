package catalog

import (
	"os"
	"testing"
	"time"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	c := Catalog{Dir: t.TempDir()}
	if got, err := c.Keys(); err != nil || len(got) > 0 {
		t.Errorf("at first: %v, %v", got, err)
	}
	first := KeyProof{At: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), Backup: "prod-20261122T214431Z"}
	second := KeyProof{At: first.At.AddDate(0, 1, 0), Backup: first.Backup}
	for _, err := range []error{c.PutKeys([]string{"a", "b"}, first), c.PutKeys([]string{"b"}, second), c.PutKeys(nil, second)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got, err := c.Keys(); err != nil || len(got) != 2 || got["a"] != first || got["b"] != second {
		t.Errorf("then: %v, %v", got, err)
	}
	if list, err := c.List(); err != nil || len(list) > 0 {
		t.Errorf("the file passes for a backup: %v, %v", list, err)
	}
	if err := os.WriteFile(c.keysPath(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Keys(); err == nil {
		t.Error("a damaged file is read")
	}
	if err := c.PutKeys([]string{"a"}, first); err == nil {
		t.Error("a damaged file is replaced, and what it held is lost")
	}
}

package cli

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestInstancesAreAskedAtTheSameTime: no server answers before all instances have
// asked. Asked one after the other, the first would wait for ever.
func TestInstancesAreAskedAtTheSameTime(t *testing.T) {
	const fleet = 100
	var asked atomic.Int64
	all := make(chan struct{})
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == fleet {
			close(all)
		}
		select {
		case <-all:
		case <-r.Context().Done():
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer ts.Close()
	dir := t.TempDir()
	t.Chdir(dir)
	config := fmt.Sprintf(`
bkp { state_dir = "state" }
locals { names = toset([for n in range(%d) : "i${n}"]) }
instance "x" {
  for_each = local.names
  url      = %q
  username = "admin"
  password = "x"
  home     = home.mirror.shared
  database = database.embedded.main
  archives = [archive.tar.local]
}
home "mirror" "shared" { path = "/nowhere/home" }
database "embedded" "main" {}
archive "tar" "local" { destination = "archives" }
`, fleet, ts.URL)
	if err := os.WriteFile(filepath.Join(dir, "main.bkp.hcl"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	code := Run(ctx, []string{"plan"}, IO{In: strings.NewReader(""), Out: &out, Err: &errs, Hurry: ctx})
	if code != ExitFailed || ctx.Err() != nil || asked.Load() < fleet {
		t.Errorf("code %d, %v; %d of %d asked\n%.500s", code, ctx.Err(), asked.Load(), fleet, errs.String())
	}
	// In their order, no matter which one answered first.
	at := -1
	for _, name := range []string{`instance.x["i0"]`, `instance.x["i1"]`, `instance.x["i10"]`, `instance.x["i11"]`} {
		if n := strings.Index(errs.String(), name); n <= at {
			t.Errorf("%s is at %d, after %d", name, n, at)
		} else {
			at = n
		}
	}
}

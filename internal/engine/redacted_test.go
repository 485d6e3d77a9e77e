package engine

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bkp/lang"
	"bkp/providers"
	"bkp/providers/all"
)

// A notice may quote what a tool or a server said: no secret of the configuration
// leaves with it, whatever part it stands in.
func TestANoticeHoldsNoSecret(t *testing.T) {
	var body []byte
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { body, _ = io.ReadAll(r.Body) }))
	defer receiver.Close()
	dir := t.TempDir()
	quoted := []string{"it said hunter2"}
	const config = `
instance "prod" {
  url      = "http://127.0.0.1:1"
  token    = env("TOKEN")
  home     = home.none.x
  database = database.none.x
  archives = [archive.none.x]
  notify   = [notify.webhook.x]
}
notify "webhook" "x" { url = env("RECEIVER") }
home "none" "x" {}
database "none" "x" {}
archive "none" "x" {}
`
	if err := os.WriteFile(filepath.Join(dir, "main.bkp.hcl"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c, diags := lang.Load(dir, lang.Options{Registry: all.Registry(), LookupEnv: func(name string) (string, bool) {
		return map[string]string{"TOKEN": "hunter2", "RECEIVER": receiver.URL}[name], true
	}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	eng := &Engine{Config: c, Front: silent{}}
	n := eng.newNotice(c.Instances[0], providers.Failure, providers.OfBackup)
	n.Summary, n.Detail, n.Remedy, n.Warnings, n.Standing, n.Stored = quoted[0], quoted[0], quoted[0], quoted, quoted, quoted
	if failed := eng.notify(t.Context(), c.Instances[0], n); len(failed) > 0 {
		t.Fatal(failed)
	}
	if strings.Contains(string(body), "hunter2") || !strings.Contains(string(body), "it said (sensitive)") {
		t.Errorf("%s", body)
	}
}

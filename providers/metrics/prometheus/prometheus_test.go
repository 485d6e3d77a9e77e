package prometheus

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"bkp/internal/secret"
	"bkp/providers"
)

func figures() providers.Measures {
	return providers.Measures{Instance: "team.a", Families: []providers.Family{
		{Name: "bkp_info", Help: `with a \ and` + "\na line", Samples: []providers.Sample{{Value: 1, Labels: []providers.Label{{Name: "version", Value: `1"\` + "\n"}}}}},
		{Name: "bkp_last_success_timestamp_seconds", Help: "When.", Samples: []providers.Sample{{Value: 1795383882.25}}},
		{Name: "bkp_backup_bytes", Help: "Size.", Samples: []providers.Sample{
			{Value: 12e12, Labels: []providers.Label{{Name: "component", Value: "home.mirror.shared"}}},
			{Value: 0, Labels: []providers.Label{{Name: "component", Value: "database.postgresql.main"}}},
		}},
	}}
}

func open(t *testing.T, cfg Config) providers.Meter {
	t.Helper()
	cfg.Timeout = 5 * time.Second
	if p := cfg.ValidateConfig(); len(p) > 0 {
		t.Fatal(p)
	}
	m, err := providers.Meters.Open(Definition(), &cfg, providers.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// parsed reads the text as Prometheus does.
func parsed(t *testing.T, text string) {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	info := families["bkp_info"].GetMetric()[0]
	if len(families) != 3 || info.GetLabel()[0].GetValue() != "team.a" || info.GetLabel()[1].GetValue() != `1"\`+"\n" ||
		families["bkp_last_success_timestamp_seconds"].GetMetric()[0].GetGauge().GetValue() != 1795383882.25 ||
		len(families["bkp_backup_bytes"].GetMetric()) != 2 {
		t.Errorf("%v", families)
	}
}

func TestTextfile(t *testing.T) {
	dir := t.TempDir()
	m := open(t, Config{Textfile: dir})
	path := filepath.Join(dir, "bkp_team.a.prom")
	if err := m.Record(t.Context(), figures()); err != nil {
		t.Fatal(err)
	}
	before, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = before.Close() }()
	if err := m.Record(t.Context(), figures()); err != nil {
		t.Fatal(err)
	}
	// A collector that reads meanwhile has the whole of the file before.
	old, err := io.ReadAll(before)
	if err != nil {
		t.Fatal(err)
	}
	parsed(t, string(old))
	first, err := before.Stat()
	if now, failed := os.Stat(path); err != nil || failed != nil || os.SameFile(first, now) {
		t.Errorf("the file was written over: %v, %v", err, failed)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	parsed(t, string(text))
	left, _ := os.ReadDir(dir)
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o644 || len(left) != 1 {
		t.Errorf("%v, %v, %v", fi.Mode(), err, left)
	}
	if err := open(t, Config{Textfile: filepath.Join(dir, "gone")}).Record(t.Context(), figures()); err == nil {
		t.Error("a folder that is not there was written to")
	}
}

func TestPushgateway(t *testing.T) {
	var got *http.Request
	var body []byte
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	}))
	defer s.Close()
	dir := t.TempDir()
	m := open(t, Config{Pushgateway: s.URL + "/", Username: "bkp", Password: secret.New("hunter2"), Textfile: dir})
	if err := m.Record(t.Context(), figures()); err != nil {
		t.Fatal(err)
	}
	user, password, _ := got.BasicAuth()
	if got.Method != http.MethodPut || got.URL.Path != "/metrics/job/bkp/bitbucket/team.a" || user != "bkp" || password != "hunter2" {
		t.Errorf("%s %s %s", got.Method, got.URL, user)
	}
	parsed(t, string(body))
	s.Close()
	err := m.Record(t.Context(), figures())
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "bkp_team.a.prom")); err != nil {
		t.Error("the file was not written because the push failed")
	}
}

func TestValidateConfig(t *testing.T) {
	for name, cfg := range map[string]Config{
		"nothing":  {Timeout: time.Second},
		"file":     {Textfile: "/x/bkp.prom", Timeout: time.Second},
		"url":      {Pushgateway: "gateway:9091", Timeout: time.Second},
		"password": {Pushgateway: "http://a:hunter2@gateway:9091", Timeout: time.Second},
		"half":     {Pushgateway: "http://gateway", Username: "x", Timeout: time.Second},
		"time":     {Textfile: "/x"},
	} {
		if p := cfg.ValidateConfig(); len(p) != 1 || strings.Contains(p[0].Detail, "hunter2") {
			t.Errorf("%s: %v", name, p)
		}
	}
}

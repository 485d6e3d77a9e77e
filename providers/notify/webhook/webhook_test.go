package webhook

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bkp/internal/secret"
	"bkp/providers"
	"bkp/providers/notify"
)

func config(url string) Config {
	cfg := *Definition().NewConfig().(*Config)
	cfg.URL, cfg.Timeout = secret.New(url), 5*time.Second
	return cfg
}

func open(t *testing.T, cfg Config) providers.Notifier {
	t.Helper()
	if p := cfg.ValidateConfig(); len(p) > 0 {
		t.Fatal(p)
	}
	n, err := providers.Notifiers.Open(Definition(), &cfg, providers.Env{Address: "notify.webhook.x"})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestBodies(t *testing.T) {
	var got *http.Request
	var body []byte
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	}))
	defer s.Close()
	if err := open(t, config(s.URL)).Notify(t.Context(), notify.Example()); err != nil {
		t.Fatal(err)
	}
	var n providers.Notice
	if err := json.Unmarshal(body, &n); err != nil || n.Summary != notify.Example().Summary || got.Method != http.MethodPost {
		t.Errorf("%s, %v", body, err)
	}
	cfg := config(s.URL)
	cfg.Method, cfg.ContentType, cfg.Token = "PUT", "text/plain", secret.New("hunter2")
	cfg.Body = `{{upper .Summary}}|{{json .Instance}}|{{join "," .Warnings}}|{{text .}}`
	cfg.Headers = []Header{{"X-Key", secret.New("k")}}
	if err := open(t, cfg).Notify(t.Context(), notify.Example()); err != nil {
		t.Fatal(err)
	}
	if got.Method != http.MethodPut || got.Header.Get("X-Key") != "k" || got.Header.Get("Authorization") != "Bearer hunter2" || got.Header.Get("Content-Type") != "text/plain" ||
		!strings.HasPrefix(string(body), `THE BACKUP OF PROD FAILED|"prod"|a warning|archive.tar.local: no space left on device`) {
		t.Errorf("%v\n%s", got.Header, body)
	}
}

func TestValidateConfig(t *testing.T) {
	for name, edit := range map[string]func(*Config){
		"url":            func(c *Config) { c.URL = secret.New("hunter2") },
		"method":         func(c *Config) { c.Method = "GET" },
		"body":           func(c *Config) { c.Body = "{{.Nope}}" },
		"endless body":   func(c *Config) { c.Body = `{{define "a"}}x{{template "a"}}{{end}}{{template "a"}}` },
		"both":           func(c *Config) { c.Token, c.Username, c.Password = secret.New("a"), "b", secret.New("c") },
		"half a login":   func(c *Config) { c.Username = "b" },
		"unknown notice": func(c *Config) { c.On = []string{"begun"} },
		"no notice":      func(c *Config) { c.On = []string{} },
	} {
		cfg := config("https://x.example/hook")
		edit(&cfg)
		p := cfg.ValidateConfig()
		if len(p) != 1 || p[0].Remedy == "" || strings.Contains(p[0].Detail, "hunter2") {
			t.Errorf("%s: %v", name, p)
		}
	}
}

// TestDefaults: what needs attention is sent, and no news of every night.
func TestDefaults(t *testing.T) {
	n := open(t, config("https://x.example"))
	for o, want := range map[providers.Occasion]bool{
		providers.Success: false, providers.Begun: false, providers.Warned: true, providers.Failure: true, providers.MayBeLocked: true,
		providers.Recovered: true, providers.DrillFailed: true, providers.Overdue: true,
	} {
		if n.Wants(providers.Notice{Occasion: o}) != want {
			t.Errorf("%s: %v", o, !want)
		}
	}
}

package healthchecks

import (
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

func TestPings(t *testing.T) {
	var got []string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		first, _, _ := strings.Cut(string(body), "\n")
		got = append(got, strings.TrimSpace(r.URL.Path+" "+first))
	}))
	defer s.Close()
	cfg := Config{URL: secret.New(s.URL + "/ping/4d2e/"), Of: "backup", Timeout: 5 * time.Second}
	if p := cfg.ValidateConfig(); len(p) > 0 {
		t.Fatal(p)
	}
	to, err := providers.Notifiers.Open(Definition(), &cfg, providers.Env{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range append([]string{string(providers.Begun)}, providers.Occasions()...) {
		n := notify.Example()
		n.Occasion, n.Summary = providers.Occasion(o), o
		for _, of := range []providers.Operation{providers.OfBackup, providers.OfDrill, providers.OfRecovery} {
			n.Operation = of
			if !to.Wants(n) {
				continue
			}
			if err := to.Notify(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := "/ping/4d2e/start|/ping/4d2e success|/ping/4d2e warning|/ping/4d2e/fail failure|/ping/4d2e/fail may_be_locked|/ping/4d2e/fail drill_failed"
	if strings.Join(got, "|") != want {
		t.Errorf("got %s", strings.Join(got, "|"))
	}
}

func TestValidateConfig(t *testing.T) {
	for _, cfg := range []Config{
		{URL: secret.New("x"), Of: "backup", Timeout: time.Second},
		{URL: secret.New("https://x.example/y"), Of: "lunch", Timeout: time.Second},
		{URL: secret.New("https://x.example/y"), Of: "drill", Timeout: time.Hour},
	} {
		if p := cfg.ValidateConfig(); len(p) != 1 {
			t.Errorf("%v", p)
		}
	}
}

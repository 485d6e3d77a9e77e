package notify_test

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
	"bkp/providers/notify/slack"
	"bkp/providers/notify/teams"
	"bkp/providers/notify/webhook"
)

// TestChats sends a notice of strange texts to both chats, and reads what they get.
func TestChats(t *testing.T) {
	var body []byte
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { body, _ = io.ReadAll(r.Body) }))
	defer s.Close()
	n := notify.Example()
	n.Detail = "<!channel> & <https://evil.example|click>\n" + strings.Repeat("long ä ", 10_000)
	send := func(d providers.Definition, cfg any) {
		t.Helper()
		to, err := providers.Notifiers.Open(d, cfg, providers.Env{})
		if err == nil {
			err = to.Notify(t.Context(), n)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	options := notify.Defaults()
	options.Timeout = 5 * time.Second
	send(slack.Definition(), &slack.Config{URL: secret.New(s.URL), Options: options})
	var message struct{ Text string }
	if err := json.Unmarshal(body, &message); err != nil || !strings.HasPrefix(message.Text, "*The backup of prod failed*\n&lt;!channel&gt; &amp; &lt;https") ||
		len(message.Text) > 12_000 || !strings.HasSuffix(message.Text, "(shortened)") {
		t.Errorf("%v: %.200s", err, message.Text)
	}
	send(slack.Definition(), &slack.Config{URL: secret.New(s.URL), Options: options, Template: "{{.Instance}}: {{.Detail}}"})
	if !strings.Contains(string(body), `{"text":"prod: \u0026lt;!channel`) {
		t.Errorf("%.100s", body)
	}
	send(teams.Definition(), &teams.Config{URL: secret.New(s.URL), Options: options})
	var card struct {
		Type        string
		Attachments []struct {
			ContentType string
			Content     struct {
				Body []struct{ Type, Text, Color string }
			}
		}
	}
	if err := json.Unmarshal(body, &card); err != nil || card.Type != "message" || len(body) > 28_000 {
		t.Fatalf("%v, %d bytes", err, len(body))
	}
	if a := card.Attachments[0]; a.ContentType != "application/vnd.microsoft.card.adaptive" || len(a.Content.Body) != 3 || a.Content.Body[0].Color != "Attention" {
		t.Errorf("%+v", a)
	}
	n.Detail, n.Remedy, n.Warnings, n.Standing = "", "", nil, nil // an empty text is refused by Teams
	send(teams.Definition(), &teams.Config{URL: secret.New(s.URL), Options: options})
	if err := json.Unmarshal(body, &card); err != nil || strings.Contains(string(body), `"text":""`) {
		t.Errorf("%s", body)
	}
	options.ReportURL, n.Report = "https://intranet.example.com/bkp.html", ""
	for name, d := range map[string]providers.Definition{"slack": slack.Definition(), "teams": teams.Definition(), "webhook": webhook.Definition()} {
		send(d, map[string]any{
			"slack": &slack.Config{URL: secret.New(s.URL), Options: options}, "teams": &teams.Config{URL: secret.New(s.URL), Options: options},
			"webhook": &webhook.Config{URL: secret.New(s.URL), Options: options, Method: http.MethodPost},
		}[name])
		if !strings.Contains(string(body), options.ReportURL) {
			t.Errorf("%s: no address of the report in %s", name, body)
		}
	}
}

package bitbucket_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"bkp/internal/bitbucket"
	"bkp/internal/lab/sandbox"
	"bkp/internal/problem"
	"bkp/internal/secret"
)

func TestObserve(t *testing.T) {
	cases := map[string]struct {
		corners sandbox.Corners
		config  bitbucket.Config
		locked  bool
		want    string // "" for no finding
		detail  string
	}{
		"all well":         {},
		"locked":           {locked: true, want: "the instance is locked", detail: "alice"},
		"wrong password":   {config: bitbucket.Config{Password: secret.New("wrong")}, want: "the credentials are refused", detail: "admin"},
		"a token":          {config: bitbucket.Config{Token: secret.New("tok-123")}, want: "the credentials are refused"},
		"no administrator": {corners: sandbox.Corners{NotAdministrator: true}, want: "the credentials are refused"},
		"forbidden":        {corners: sandbox.Corners{NotAdministrator: true, Codes: sandbox.Codes{Denied: 403}}, want: "the credentials are refused"},
		"cluster page fails": {
			corners: sandbox.Corners{Answers: map[sandbox.Call][]int{sandbox.CallCluster: {418}}}, want: "the permissions cannot be checked",
		},
		"lock page fails": {
			corners: sandbox.Corners{Answers: map[sandbox.Call][]int{sandbox.CallLockState: {418}}}, want: "the lock's state cannot be read",
		},
		"starting": {corners: sandbox.Corners{NodeState: "STARTING"}, want: "the instance cannot be reached", detail: "503"},
		"status says maintenance": {
			corners: sandbox.Corners{Bodies: map[sandbox.Call]string{sandbox.CallStatus: `{"state":"MAINTENANCE"}`}},
			want:    "the instance is locked",
		},
		"status says starting": {
			corners: sandbox.Corners{Answers: map[sandbox.Call][]int{sandbox.CallStatus: {503, 503, 503, 503, 503, 503, 503, 503}}}, want: "the instance is not running",
		},
		"lock hidden, status hidden": {
			corners: sandbox.Corners{
				Answers: map[sandbox.Call][]int{sandbox.CallStatus: {404, 404}, sandbox.CallLockState: {404}},
			},
		},
		"not Bitbucket": {
			corners: sandbox.Corners{Bodies: map[sandbox.Call]string{sandbox.CallProperties: "<html>"}}, want: "no Bitbucket found at the url",
		},
		"wrong context path": {config: bitbucket.Config{URL: "/other"}, want: "no Bitbucket found at the url"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := sandbox.NewServer(sandbox.Options{Corners: c.corners})
			if c.locked {
				server.LockAs(sandbox.Owner{Name: "alice"})
			}
			ts := httptest.NewServer(server)
			defer ts.Close()
			config := c.config
			config.URL, config.Username = ts.URL+config.URL, "admin"
			if !config.Password.IsSet() {
				config.Password = secret.New("admin")
			}
			checkFindings(t, config, c.want, c.detail)
		})
	}
}

func checkFindings(t *testing.T, config bitbucket.Config, want, detail string) {
	t.Helper()
	client, err := bitbucket.New(config)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	o := client.Observe(t.Context())
	switch {
	case want == "" && len(o.Findings) > 0:
		t.Errorf("found %+v", o.Findings)
	case want == "" && o.Properties.Version == "":
		t.Error("no version")
	case want != "" && (len(o.Findings) != 1 || o.Findings[0].Summary != want):
		t.Fatalf("found %+v, want %q", o.Findings, want)
	case want == "":
		return
	}
	f := o.Findings[0]
	if f.Severity != problem.Error || f.Remedy == "" || !strings.Contains(f.Detail, detail) {
		t.Errorf("severity %s, detail %q, remedy %q", f.Severity, f.Detail, f.Remedy)
	}
}

func TestObserveNamesWhereARedirectLeads(t *testing.T) {
	elsewhere := httptest.NewServer(sandbox.NewServer(sandbox.Options{}))
	defer elsewhere.Close()
	ts := httptest.NewServer(redirectTo(elsewhere.URL))
	defer ts.Close()
	config := bitbucket.Config{URL: ts.URL, Username: "admin", Password: secret.New("admin")}
	checkFindings(t, config, "the instance redirects elsewhere", elsewhere.URL)
}

func TestObserveAnInstanceThatIsDown(t *testing.T) {
	ts := httptest.NewServer(nil)
	ts.Close()
	checkFindings(t, bitbucket.Config{URL: ts.URL}, "the instance cannot be reached", "refused")
}

func TestObserveAnUntrustedCertificate(t *testing.T) {
	ts := httptest.NewTLSServer(sandbox.NewServer(sandbox.Options{}))
	defer ts.Close()
	checkFindings(t, bitbucket.Config{URL: ts.URL, Username: "admin", Password: secret.New("admin")}, "the instance's certificate is not trusted", "")
}

package bitbucket_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bkp/internal/bitbucket"
	"bkp/internal/lab/sandbox"
	"bkp/internal/problem"
	"bkp/internal/secret"
)

// TestASignOfAProxyIsAWarning: a balancer may take a node in maintenance out of
// service, and nothing gets through to unlock it.
func TestASignOfAProxyIsAWarning(t *testing.T) {
	for name, c := range map[string]struct {
		header, value string
		direct        bool
		want          string
	}{
		"a node itself":         {},
		"an old node":           {header: "Server", value: "Apache-Coyote/1.1"},
		"nginx":                 {header: "Server", value: "nginx/1.22.1", want: "nginx"},
		"a gateway":             {header: "Via", value: "1.1 proxy", want: "1.1 proxy"},
		"a sticky cookie":       {header: "Set-Cookie", value: "AWSALB=secret; Path=/", want: "AWSALB"},
		"a cookie of Bitbucket": {header: "Set-Cookie", value: "BITBUCKETSESSIONID=1; Path=/"},
		"known to be a node":    {header: "Server", value: "nginx/1.22.1", direct: true},
	} {
		t.Run(name, func(t *testing.T) {
			server := sandbox.NewServer(sandbox.Options{})
			ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if c.header != "" {
					w.Header().Set(c.header, c.value)
				}
				server.ServeHTTP(w, r)
			}))
			defer ts.Close()
			client, err := bitbucket.New(bitbucket.Config{URL: ts.URL, Direct: c.direct, Username: "admin", Password: secret.New("admin")})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			o := client.Observe(t.Context())
			if c.want == "" {
				if len(o.Findings) > 0 {
					t.Errorf("found %+v", o.Findings)
				}
				return
			}
			if len(o.Findings) != 1 {
				t.Fatalf("found %+v", o.Findings)
			}
			f := o.Findings[0]
			if f.Severity != problem.Warning || !strings.Contains(f.Detail, c.want) || strings.Contains(f.Detail, "secret") || !strings.Contains(f.Remedy, "maintenance_url") {
				t.Errorf("found %+v", f)
			}
		})
	}
}

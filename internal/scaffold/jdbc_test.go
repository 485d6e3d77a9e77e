package scaffold

import (
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseJDBC(t *testing.T) {
	for _, test := range []struct {
		in   string
		want jdbcURL
	}{
		{"jdbc:postgresql://db.example.com:5432/bitbucket", jdbcURL{scheme: "postgresql", host: "db.example.com", port: "5432", database: "bitbucket"}},
		{"jdbc:postgresql://db/bit%20bucket?sslmode=require", jdbcURL{scheme: "postgresql", host: "db", database: "bit bucket", params: url.Values{"sslmode": {"require"}}}},
		{"jdbc:postgresql:bitbucket", jdbcURL{scheme: "postgresql", database: "bitbucket"}},
		{"jdbc:postgresql:/", jdbcURL{scheme: "postgresql"}},
		{"jdbc:postgresql://[fd00::1]:5433,[fd00::2]/b", jdbcURL{scheme: "postgresql", host: "fd00::1", port: "5433", others: []string{"[fd00::2]"}, database: "b"}},
		{"jdbc:mysql://db:3306/b?autoReconnect=true&useUnicode=true", jdbcURL{scheme: "mysql", host: "db", port: "3306", database: "b", params: url.Values{"autoReconnect": {"true"}, "useUnicode": {"true"}}}},
		{"jdbc:sqlserver://db:1433;databaseName=b;encrypt=true;", jdbcURL{scheme: "sqlserver", host: "db", port: "1433", database: "b", params: url.Values{"encrypt": {"true"}}}},
		{"jdbc:oracle:thin:@//db:1521/service", jdbcURL{scheme: "oracle", host: "db", port: "1521", database: "service"}},
		{"jdbc:h2:/home/shared/data/db;X=1", jdbcURL{scheme: "h2", database: "home/shared/data/db", params: url.Values{"X": {"1"}}}},
		{"postgresql://db/b", jdbcURL{}},
		{"", jdbcURL{}},
	} {
		got := parseJDBC(test.in)
		if len(got.params) == 0 {
			got.params = nil
		}
		if len(got.others) == 0 {
			got.others = nil
		}
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(jdbcURL{})); diff != "" {
			t.Errorf("%s:\n%s", test.in, diff)
		}
	}
}

func TestBaseURL(t *testing.T) {
	for _, test := range []struct {
		entries map[string]string
		want    string
	}{
		{nil, ""},
		{map[string]string{"setup.baseUrl": "https://a/b/", "server.port": "1"}, "https://a/b"},
		{map[string]string{"server.port": "7990"}, "http://localhost:7990"},
		{map[string]string{"server.context-path": "bitbucket"}, "http://localhost:7990/bitbucket"},
		{map[string]string{"server.port": "8443", "server.ssl.enabled": "true"}, "https://localhost:8443"},
		{map[string]string{"server.proxy-name": "a", "server.proxy-port": "443", "server.scheme": "https"}, "https://a"},
		{map[string]string{"server.proxy-name": "a", "server.proxy-port": "8080"}, "http://a:8080"},
		{map[string]string{"server.proxy-name": "a", "server.secure": "true", "server.context-path": "/"}, "https://a"},
	} {
		if got := baseURL(test.entries); got != test.want {
			t.Errorf("%v gives %q, want %q", test.entries, got, test.want)
		}
	}
}

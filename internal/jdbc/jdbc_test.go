package jdbc

import (
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseJDBC(t *testing.T) {
	for _, test := range []struct {
		in   string
		want URL
	}{
		{"jdbc:postgresql://db.example.com:5432/bitbucket", URL{Scheme: "postgresql", Host: "db.example.com", Port: "5432", Database: "bitbucket"}},
		{"jdbc:postgresql://db/bit%20bucket?sslmode=require", URL{Scheme: "postgresql", Host: "db", Database: "bit bucket", Params: url.Values{"sslmode": {"require"}}}},
		{"jdbc:postgresql:bitbucket", URL{Scheme: "postgresql", Database: "bitbucket"}},
		{"jdbc:postgresql:/", URL{Scheme: "postgresql"}},
		{"jdbc:postgresql://[fd00::1]:5433,[fd00::2]/b", URL{Scheme: "postgresql", Host: "fd00::1", Port: "5433", Others: []string{"[fd00::2]"}, Database: "b"}},
		{"jdbc:mysql://db:3306/b?autoReconnect=true&useUnicode=true", URL{Scheme: "mysql", Host: "db", Port: "3306", Database: "b", Params: url.Values{"autoReconnect": {"true"}, "useUnicode": {"true"}}}},
		{"jdbc:sqlserver://db:1433;databaseName=b;encrypt=true;", URL{Scheme: "sqlserver", Host: "db", Port: "1433", Database: "b", Params: url.Values{"encrypt": {"true"}}}},
		{`jdbc:sqlserver://db\BITBUCKET;DatabaseName=b`, URL{Scheme: "sqlserver", Host: "db", Instance: "BITBUCKET", Database: "b"}},
		{"jdbc:sqlserver://db;database=b;instanceName=X", URL{Scheme: "sqlserver", Host: "db", Instance: "X", Database: "b"}},
		{"jdbc:oracle:thin:@//db:1521/service", URL{Scheme: "oracle", Host: "db", Port: "1521", Database: "service"}},
		{"jdbc:h2:/home/shared/data/db;X=1", URL{Scheme: "h2", Database: "home/shared/data/db", Params: url.Values{"X": {"1"}}}},
		{"jdbc:aws-wrapper:postgresql://db:5432/b?user=x", URL{Scheme: "postgresql", Host: "db", Port: "5432", Database: "b", Params: url.Values{"user": {"x"}}}},
		{"jdbc:mysql:loadbalance://a,b/c", URL{Scheme: "mysql", Host: "a", Others: []string{"b"}, Database: "c"}},
		{"jdbc:db2://db:50000/b", URL{Scheme: "db2", Host: "db", Port: "50000", Database: "b"}},
		{"postgresql://db/b", URL{}},
		{"", URL{}},
	} {
		got := Parse(test.in)
		if len(got.Params) == 0 {
			got.Params = nil
		}
		if len(got.Others) == 0 {
			got.Others = nil
		}
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(URL{})); diff != "" {
			t.Errorf("%s:\n%s", test.in, diff)
		}
	}
}

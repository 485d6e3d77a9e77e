package home_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bkp/internal/jdbc"
	"bkp/internal/problem"
	"bkp/providers"
)

// TestTheDatabaseIsBitbuckets: a backup of another one would be of no use.
func TestTheDatabaseIsBitbuckets(t *testing.T) {
	const (
		other = "Bitbucket uses another kind of database"
		mysql = "Bitbucket Data Center does not support MySQL"
		byOwn = "database is backed up by commands"
		env   = "environment names another kind of database"
	)
	postgres := providers.Database{Address: "database.x.main", Engines: []string{jdbc.PostgreSQL}}
	inHome := providers.Database{Address: "database.x.main", Engines: []string{jdbc.H2, jdbc.HSQLDB}}
	both := providers.Database{Address: "database.x.main", Engines: []string{jdbc.MySQL, jdbc.MariaDB}}
	anyKind := providers.Database{Address: "database.x.main"}
	none := providers.Database{Address: "database.x.main", Empty: true}
	for name, c := range map[string]struct {
		text, url, driver string
		declared          providers.Database
		want              string
		remedy            string
		failed            bool
	}{
		"the same":                    {text: "jdbc.url=jdbc:postgresql://db/b", declared: postgres},
		"not known":                   {text: "a=b", declared: postgres},
		"none declared":               {text: "jdbc.url=jdbc:postgresql://db/b"},
		"a make that bkp knows not":   {text: "jdbc.driver=org.example.Driver", declared: postgres},
		"left behind in the home":     {text: "jdbc.url=jdbc:postgresql://db/b", declared: inHome, want: other, remedy: "declare the database", failed: true},
		"moved away from the server":  {text: "jdbc.url=jdbc:h2:/data/db", declared: postgres, want: other, failed: true},
		"by the driver alone":         {text: "jdbc.driver=com.microsoft.sqlserver.jdbc.SQLServerDriver", declared: postgres, want: other, failed: true},
		"by the driver, all right":    {text: "jdbc.driver=org.postgresql.Driver", declared: postgres},
		"Oracle":                      {text: "jdbc.driver=oracle.jdbc.OracleDriver", declared: postgres, want: other, remedy: "examples/command/oracle", failed: true},
		"Oracle and nothing":          {text: "jdbc.driver=oracle.jdbc.OracleDriver", declared: none, want: byOwn, remedy: "examples/command/oracle"},
		"Oracle and commands":         {text: "jdbc.driver=oracle.jdbc.OracleDriver", declared: anyKind},
		"PostgreSQL and nothing":      {text: "jdbc.url=jdbc:postgresql://db/b", declared: none},
		"MySQL":                       {text: "jdbc.url=jdbc:mysql://db/b", declared: both, want: mysql, remedy: "migrate"},
		"MariaDB by commands":         {text: "jdbc.driver=org.mariadb.jdbc.Driver", declared: anyKind, want: mysql},
		"MySQL, and something else":   {text: "jdbc.url=jdbc:mysql://db/b", declared: postgres, want: other + ", " + mysql, failed: true},
		"environment before the file": {text: "jdbc.url=jdbc:h2:/data/db", url: "jdbc:postgresql://db/b", declared: postgres},
		"environment of another one":  {text: "jdbc.url=jdbc:postgresql://db/b", url: "jdbc:mysql://db/b", declared: postgres, want: env, remedy: "its own environment"},
		"and its driver":              {text: "jdbc.driver=org.postgresql.Driver", driver: "oracle.jdbc.OracleDriver", declared: postgres, want: env},
		"neither fits":                {text: "jdbc.url=jdbc:h2:/data/db", url: "jdbc:sqlserver://db", declared: postgres, want: other, failed: true},
		"on another machine":          {text: "jdbc.url=jdbc:h2:/data/db", declared: postgres, want: other, remedy: "on the machine of the home", failed: true},
		"environment alone":           {text: "", driver: "oracle.jdbc.OracleDriver", declared: postgres, want: other, remedy: "JDBC_URL", failed: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("JDBC_URL", c.url)
			t.Setenv("JDBC_DRIVER", c.driver)
			path := filepath.Join(t.TempDir(), "home")
			if err := os.MkdirAll(filepath.Join(path, "shared"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(path, "shared", "bitbucket.properties"), []byte(c.text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			var found []string
			failed := false
			for i, f := range checked(t, path, c.declared) {
				found = append(found, f.Summary)
				failed = failed || f.Severity == problem.Error
				if i == 0 && !strings.Contains(f.Remedy, c.remedy) {
					t.Errorf("%q is not in %q", c.remedy, f.Remedy)
				}
			}
			if got := strings.Join(found, ", "); got != c.want || failed != c.failed {
				t.Errorf("got %q, failed %v; want %q, %v", got, failed, c.want, c.failed)
			}
		})
	}
}

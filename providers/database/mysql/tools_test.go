package mysql

import (
	"slices"
	"strings"
	"testing"

	"bkp/internal/secret"
)

func TestDumpArgs(t *testing.T) {
	for name, c := range map[string]struct {
		tool          version
		locked        bool
		wants, spares []string
	}{
		"MySQL 8":        {version{kindMySQL, 8, 0, 36}, false, []string{"--single-transaction", "--skip-lock-tables", "--set-gtid-purged=OFF", "--column-statistics=0"}, []string{"--lock-tables"}},
		"MySQL 9":        {version{kindMySQL, 9, 1, 0}, false, []string{"--single-transaction", "--set-gtid-purged=OFF", "--column-statistics=0"}, nil},
		"MySQL 5.7":      {version{kindMySQL, 5, 7, 44}, false, []string{"--set-gtid-purged=OFF"}, []string{"--column-statistics=0"}},
		"MariaDB":        {version{kindMariaDB, 11, 4, 2}, false, []string{"--single-transaction", "--skip-lock-tables"}, []string{"--set-gtid-purged=OFF", "--column-statistics=0"}},
		"MariaDB locked": {version{kindMariaDB, 11, 4, 2}, true, []string{"--lock-tables"}, []string{"--single-transaction"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &strategy{cfg: Config{Database: "--odd", LockedDump: c.locked}}
			args := s.dumpArgs(tool{version: c.tool}, "/o.cnf", "--no-data")
			if args[0] != "--defaults-file=/o.cnf" || !slices.Equal(args[len(args)-3:], []string{"--no-data", "--", "--odd"}) {
				t.Errorf("order of %q", args)
			}
			wants := append(c.wants, "--verbose", "--quick", "--hex-blob", "--routines", "--triggers", "--events", "--no-tablespaces",
				"--default-character-set=utf8mb4", "--max-allowed-packet=1G")
			for _, w := range wants {
				if !slices.Contains(args, w) {
					t.Errorf("%q lacks %s", args, w)
				}
			}
			for _, w := range c.spares {
				if slices.Contains(args, w) {
					t.Errorf("%q has %s", args, w)
				}
			}
		})
	}
}

func TestOptions(t *testing.T) {
	for name, c := range map[string]struct {
		kind kind
		set  func(*Config)
		want string
	}{
		"MySQL":            {kindMySQL, nil, `protocol="tcp" host="h" port="3306" ssl-mode="PREFERRED" loose-get-server-public-key="1"`},
		"MySQL verified":   {kindMySQL, func(c *Config) { c.TLS.Mode, c.TLS.CAFile = tlsVerifyFull, "/ca" }, `protocol="tcp" host="h" port="3306" ssl-mode="VERIFY_IDENTITY" loose-get-server-public-key="1" ssl-ca="/ca"`},
		"MariaDB":          {kindMariaDB, nil, `protocol="tcp" host="h" port="3306" ssl="1" ssl-verify-server-cert="0"`},
		"MariaDB disabled": {kindMariaDB, func(c *Config) { c.TLS.Mode, c.TLS.CAFile = tlsDisable, "/ca" }, `protocol="tcp" host="h" port="3306" ssl="0"`},
		"MariaDB verified": {kindMariaDB, func(c *Config) { c.TLS.Mode, c.TLS.CertFile, c.TLS.KeyFile = tlsVerifyCA, "/c", "/k" }, `protocol="tcp" host="h" port="3306" ssl="1" ssl-verify-server-cert="1" ssl-cert="/c" ssl-key="/k"`},
		"socket":           {kindMySQL, func(c *Config) { c.Socket = "/s" }, `protocol="socket" socket="/s"`},
	} {
		t.Run(name, func(t *testing.T) {
			s := &strategy{cfg: Config{Host: "h", Port: 3306, Username: `a"\#`, Password: secret.New("p"), TLS: TLS{Mode: tlsPrefer}}}
			if c.set != nil {
				c.set(&s.cfg)
			}
			got := strings.Join(strings.Fields(s.options(tool{version: version{kind: c.kind, major: 8}})), " ")
			if want := `[client] user="a\"\\#" password="p" ` + c.want; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

var toolVersions = map[string]string{
	"mysqldump  Ver 8.0.36-0ubuntu0.22.04.1 for Linux on x86_64 ((Ubuntu))":              "MySQL 8.0.36",
	"mysqldump  Ver 8.4.2 for Linux on x86_64 (MySQL Community Server - GPL)":            "MySQL 8.4.2",
	"mysqldump  Ver 9.1.0 for macos14 on arm64 (Homebrew)":                               "MySQL 9.1.0",
	"mysqldump  Ver 8.0.35-27 for Linux on x86_64 (Percona Server (GPL), Release 27)":    "MySQL 8.0.35",
	"mysqldump  Ver 10.13 Distrib 5.7.44, for Linux (x86_64)":                            "MySQL 5.7.44",
	"mysqldump  Ver 10.19 Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)\n":     "MariaDB 10.11.19",
	"mariadb  Ver 15.1 Distrib 10.5.21-MariaDB, for Linux (x86_64) using readline 5.1":   "MariaDB 10.5.21",
	"mariadb-dump from 11.4.3-MariaDB, client 10.19 for debian-linux-gnu (x86_64)":       "MariaDB 11.4.3",
	"mariadb from 12.0.2-MariaDB, client 15.2 for linux-systemd (x86_64) using readline": "MariaDB 12.0.2",
}

func TestParseTool(t *testing.T) {
	for text, want := range toolVersions {
		if got, err := parseTool(text); err != nil || got.String() != want {
			t.Errorf("%q: %s %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "mysqldump", "mysqldump  Ver unknown", "mysqldump Ver 0.0.1 for x"} {
		if got, err := parseTool(text); err == nil {
			t.Errorf("%q: %s", text, got)
		}
	}
}

func TestParseServer(t *testing.T) {
	for _, c := range []struct{ text, comment, want string }{
		{"8.0.36-0ubuntu0.22.04.1", "(Ubuntu)", "MySQL 8.0.36"},
		{"8.4.2", "MySQL Community Server - GPL", "MySQL 8.4.2"},
		{"8.0.mysql_aurora.3.04.0", "Source distribution", "MySQL 8.0.0"},
		{"8.0.35-27", "Percona Server (GPL), Release 27, Revision 2f8eeab2", "MySQL 8.0.35"},
		{"10.11.6-MariaDB-0+deb12u1-log", "Debian 12", "MariaDB 10.11.6"},
		{"11.8.2", "mariadb.org binary distribution", "MariaDB 11.8.2"},
	} {
		got, err := parseServer(c.text, c.comment)
		if err != nil || got.String() != c.want {
			t.Errorf("%q: %s %v, want %s", c.text, got, err, c.want)
		}
		if back, err := parseFact(got.String()); err != nil || back != got {
			t.Errorf("%s reads as %s %v", got, back, err)
		}
	}
}

func FuzzParseTool(f *testing.F) {
	for text := range toolVersions {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if v, err := parseTool(text); err == nil && (v.major == 0 || v.kind == "") {
			t.Errorf("%q: %v", text, v)
		}
	})
}

func TestParseGrant(t *testing.T) {
	for line, want := range map[string]string{
		"GRANT ALL PRIVILEGES ON *.* TO `bkp`@`%` IDENTIFIED BY PASSWORD '*1' WITH GRANT OPTION": "ALL PRIVILEGES on *.*",
		"GRANT SELECT, SHOW VIEW ON `bit\\_bucket`.* TO `b`@`%`":                                 "SELECT|SHOW VIEW on bit\\_bucket",
		"GRANT SELECT ON `a``b`.* TO `b`@`%`":                                                    "SELECT on a`b",
		"GRANT SELECT ON `a`.`t` TO `b`@`%`":                                                     " on ",
		"GRANT `reader`@`%` TO `b`@`%`":                                                          " on ",
		"GRANT PROXY ON ''@'%' TO 'root'@'localhost'":                                            " on ",
		"SET DEFAULT ROLE `reader` FOR `b`@`%`":                                                  " on ",
		"GRANT SELECT ON `unended":                                                               " on ",
	} {
		granted, on := parseGrant(line)
		if on == "" {
			granted = nil
		}
		if got := strings.Join(granted, "|") + " on " + on; got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func FuzzParseGrant(f *testing.F) {
	f.Add("GRANT SELECT, SHOW VIEW ON `bit\\_bucket`.* TO `b`@`%`", "bit_bucket")
	f.Add("GRANT SELECT ON `%%%%`.* TO `b`@`%`", "aaaa")
	f.Fuzz(func(t *testing.T, line, name string) {
		if _, on := parseGrant(line); on != "" && !strings.HasPrefix(line, "GRANT ") {
			t.Errorf("%q is for %q", line, on)
		}
		if len(name) < 20 && strings.Count(line, "%") < 5 {
			_, on := parseGrant(line)
			if exact := strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(name); !matches(exact, name) {
				t.Errorf("%q does not match itself", name)
			}
			if matches(on, name) && on == "" && name != "" {
				t.Errorf("nothing matches %q", name)
			}
		}
	})
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"bitbucket", "bitbucket", true},
		{"bit_bucket", "bit_bucket", true},
		{"bit_bucket", "bitXbucket", true},
		{`bit\_bucket`, "bit_bucket", true},
		{`bit\_bucket`, "bitXbucket", false},
		{"bit%", "bitbucket", true},
		{"%", "bitbucket", true},
		{"%x", "bitbucket", false},
		{"bit", "bitbucket", false},
		{"", "bitbucket", false},
	} {
		if got := matches(c.pattern, c.name); got != c.want {
			t.Errorf("%q for %q: %v", c.pattern, c.name, got)
		}
	}
}

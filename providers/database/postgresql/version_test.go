package postgresql

import "testing"

var versions = map[string]version{
	"pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)":              150018,
	"pg_dump (PostgreSQL) 9.6.24":                                      90624,
	"pg_dump (PostgreSQL) 18beta1":                                     180000,
	"pg_dump (PostgreSQL) 19devel":                                     190000,
	"pg_restore (PostgreSQL) 16.4 (Ubuntu 16.4-1.pgdg22.04+2)\n":       160004,
	"pg_dump (EnterpriseDB) 14.5.0":                                    140005,
	"pg_dump (PostgreSQL) 17rc1 (Homebrew)":                            170000,
	"perl: warning: Setting locale failed.\npg_dump (PostgreSQL) 13.2": 130002,
}

func TestParseVersion(t *testing.T) {
	for text, want := range versions {
		if got, err := parseVersion(text); err != nil || got != want {
			t.Errorf("%q: %d %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "pg_dump", "pg_dump (PostgreSQL) unknown", "pg_dump 0.0", "9999999999999999999999"} {
		if got, err := parseVersion(text); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
}

func TestMajor(t *testing.T) {
	for _, c := range []struct {
		client, server version
		fits           bool
	}{
		{150018, 150001, true}, {150001, 150018, true}, {160000, 150018, true}, {150018, 160000, false},
		{90624, 90603, true}, {90524, 90603, false}, {100000, 90624, true}, {90624, 100000, false},
	} {
		if got := c.client.major() >= c.server.major(); got != c.fits {
			t.Errorf("client %s, server %s: %v", c.client, c.server, got)
		}
	}
}

func FuzzParseVersion(f *testing.F) {
	for text := range versions {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := parseVersion(text)
		if err == nil && (v < 10000 || v.major() <= 0 || v.String() == "") {
			t.Errorf("%q: %d", text, v)
		}
		if err != nil && v != 0 {
			t.Errorf("%q: %d with %v", text, v, err)
		}
	})
}

package sqlserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bkp/internal/lab/sqlserver"
	"bkp/internal/problem"
	"bkp/internal/secret"
)

func TestCheckFinds(t *testing.T) {
	for name, c := range map[string]struct {
		summary string
		server  func(*sqlserver.Options)
		change  func(*testing.T, *sqlserver.Server)
		set     func(*Config)
	}{
		"a wrong password":       {summary: wrongPassword, set: func(c *Config) { c.Password = secret.New("hunter2") }},
		"no database":            {summary: noDatabase, set: func(c *Config) { c.Database = "nowhere" }},
		"no server":              {summary: unreachable, set: func(c *Config) { c.Port = 1 }},
		"no encryption":          {summary: noTLS, set: func(c *Config) { c.TLS.Mode = tlsRequire }},
		"no folder":              {summary: folderMissing, set: func(c *Config) { c.Path += "/nowhere" }},
		"Express":                {summary: notCompressed, server: func(o *sqlserver.Options) { o.Engine, o.Edition = "4", "Express Edition" }},
		"Azure":                  {summary: hostedServer, server: func(o *sqlserver.Options) { o.Engine = "5" }},
		"a lock that grows":      {summary: "database is dumped inside the lock", set: func(c *Config) { c.Method = copyOnly }},
		"an old home elsewhere":  {summary: unknownAddress, set: func(c *Config) { c.Host = "" }},
		"a collation without CS": {summary: wrongCase, change: changed(func(p *sqlserver.Properties) { p.Collation = "SQL_Latin1_General_CP1_CI_AS" })},
		"readers who wait":       {summary: noSnapshots, change: changed(func(p *sqlserver.Properties) { p.Snapshots = false })},
		"encryption at rest":     {summary: encrypted, change: changed(func(p *sqlserver.Properties) { p.Encrypted = true })},
		"a copy":                 {summary: readOnly, change: changed(func(p *sqlserver.Properties) { p.ReadOnly = true })},
		"no rights": {
			summary: cannotBackUp, set: func(c *Config) { c.Username = "weak" },
			change: func(_ *testing.T, s *sqlserver.Server) { s.CreateLogin("weak", s.Password(), rightBackup) },
		},
		"another chain": {summary: otherChain, change: func(t *testing.T, s *sqlserver.Server) {
			if err := s.BackUp("bitbucket", "full of theirs"); err != nil {
				t.Fatal(err)
			}
			if err := s.BackUpChanges("bitbucket", "theirs"); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var options []func(*sqlserver.Options)
			if c.server != nil {
				options = append(options, c.server)
			}
			server := newServer(t, options...)
			if c.change != nil {
				c.change(t, server)
			}
			var set []func(*Config)
			if c.set != nil {
				set = append(set, c.set)
			}
			r, err := newOpening(t, server, "bitbucket", set...).new().Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			found := 0
			for _, f := range r.Findings {
				if f.Summary == c.summary && f.Remedy != "" {
					found++
				}
				if strings.Contains(f.Detail+f.Remedy, "hunter2") || strings.Contains(f.Detail+f.Remedy, server.Password()) {
					t.Errorf("a password is shown: %v", f)
				}
			}
			if found != 1 {
				t.Errorf("%q is not among %v", c.summary, r.Findings)
			}
		})
	}
}

func changed(f func(*sqlserver.Properties)) func(*testing.T, *sqlserver.Server) {
	return func(_ *testing.T, s *sqlserver.Server) { s.Change("bitbucket", f) }
}

// TestHealthy: nothing but the warning of every plan.
func TestHealthy(t *testing.T) {
	r, err := newOpening(t, newServer(t), "bitbucket").new().Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Findings) != 1 || r.Findings[0].Summary != experimental || r.Findings[0].Severity != problem.Warning {
		t.Errorf("found %v", r.Findings)
	}
}

// TestExpressIsNotAskedToCompress: it would refuse.
func TestExpressIsNotAskedToCompress(t *testing.T) {
	server := newServer(t, func(o *sqlserver.Options) { o.Engine = express })
	complete(t, newOpening(t, server, "bitbucket").new())
}

// TestBitbucketsSettings: what the block leaves out is what Bitbucket uses.
func TestBitbucketsSettings(t *testing.T) {
	server := newServer(t)
	o := newOpening(t, server, "bitbucket")
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "shared"), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(home, "shared", "bitbucket.properties"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o.env.Instance.Home = home
	o.cfg.Host, o.cfg.Database, o.cfg.Username, o.cfg.Password = "", "", "", secret.String{}
	write("jdbc.url=jdbc:sqlserver://127.0.0.1;databaseName=bitbucket;\njdbc.user=sa\njdbc.password=" + server.Password() + "\n")
	complete(t, o.new())
	write("jdbc.url=jdbc:sqlserver://127.0.0.1;databaseName=bitbucket;\njdbc.user=sa\njdbc.password={\"sealed\": 1}\n")
	_, err := o.new().account()
	wants(t, err, sealedPassword)
	write("jdbc.url=jdbc:postgresql://127.0.0.1/bitbucket\n")
	_, err = o.new().account()
	wants(t, err, otherDatabase)
}

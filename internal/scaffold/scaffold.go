package scaffold

import (
	"slices"
	"strings"

	"bkp/internal/hcldoc"
	"bkp/internal/problem"
	"bkp/providers"
)

// BackupPasswordVariable is the environment variable of the password that bkp
// shows to Bitbucket.
const BackupPasswordVariable = "BITBUCKET_BACKUP_PASSWORD"

// Answers are what the starter configuration is made of.
type Answers struct {
	URL, Username, Home, Destination string
	Database                         Database
}

// Defaults stand for what was not given.
func Defaults() Answers {
	d := Database{
		Strategy: "postgresql", NeedsPassword: true,
		Notes: []string{"Where Bitbucket keeps its data: see shared/bitbucket.properties. The role needs to read every table."},
	}
	d.set("host", "db.example.com")
	d.set("database", "bitbucket")
	d.set("username", "bitbucket")
	d.Attributes = append(d.Attributes, Attribute{Name: "password", Expr: "env(" + hcldoc.Quote(PasswordVariable) + ")"})
	return Answers{
		URL: "https://bitbucket.example.com", Username: "backup",
		Home: "/var/atlassian/application-data/bitbucket", Destination: "/backup/archives", Database: d,
	}
}

// With returns the answers with what a home shows.
func (a Answers) With(f Found) Answers {
	a.Home, a.Database = f.Home, f.Database
	if f.URL != "" {
		a.URL = f.URL
	}
	if f.Username != "" {
		a.Username = f.Username
	}
	return a
}

// Starter is a configuration that is valid as it is.
type Starter struct {
	Text []byte
	// Warnings are what the operator has to look at.
	Warnings []*problem.Problem
	// Env are the environment variables that it reads.
	Env []string
}

// Write makes the configuration. A database that registry has no strategy for
// becomes none, with a warning.
func Write(a Answers, registry *providers.Registry) (Starter, error) {
	db, warnings := supported(a.Database, registry)
	for _, path := range []string{a.Home, a.Destination} {
		if !hcldoc.Faithful(path) {
			warnings = append(warnings, problem.Warn("path cannot be written into the configuration", hcldoc.Quote(path)+" holds characters that the language normalizes",
				"use a symbolic link with a plain name"))
		}
	}
	var d hcldoc.Doc
	d.Comment("What to back up, and where to. Written by bkp init; edit it as needed.\n\n  bkp validate   checks this configuration and nothing else\n  bkp plan       checks everything and shows the steps\n  bkp apply      makes a backup")
	d.Blank()
	writeInstance(&d, a, db)
	writeHome(&d, a)
	if err := writeDatabase(&d, db, a.Database); err != nil {
		return Starter{}, err
	}
	writeKeeping(&d, a)
	text, err := d.Bytes()
	env := []string{BackupPasswordVariable}
	if db.NeedsPassword {
		env = append(env, PasswordVariable)
	}
	return Starter{Text: text, Warnings: warnings, Env: env}, err
}

func writeInstance(d *hcldoc.Doc, a Answers, db Database) {
	d.Open("instance", "prod")
	d.Attr("url", hcldoc.Quote(a.URL), "")
	d.Attr("username", hcldoc.Quote(a.Username), "a system administrator of Bitbucket")
	d.Attr("password", "env("+hcldoc.Quote(BackupPasswordVariable)+")", "")
	d.Blank()
	d.Attr("home", "home.mirror.shared", "")
	d.Attr("database", "database."+db.Strategy+".main", "")
	d.Attr("archives", "[archive.tar.local]", "")
	d.Attr("retention", "retention.standard", "")
	d.Blank()
	d.Comment("Users wait from the lock to the unlock. It never lasts longer than budget: then\nbkp gives up, unlocks and cleans up.")
	d.Open("lock")
	d.Attr("drain_timeout", `"5m"`, "how long git and the database may take to drain")
	d.Attr("budget", `"10m"`, "")
	d.Close()
	d.Close()
	d.Blank()
}

func writeHome(d *hcldoc.Doc, a Answers) {
	d.Open("home", "mirror", "shared")
	d.Attr("path", hcldoc.Quote(a.Home), "the folder that holds shared/")
	d.Comment(`data_stores = ["/data/store-1"] # if the instance has data stores, all of them` +
		"\n" + `exclude_repositories = [42] # ids of repositories to leave out`)
	d.Close()
	d.Blank()
}

func writeDatabase(d *hcldoc.Doc, db, wanted Database) error {
	for i, n := range db.Notes {
		if i > 0 {
			d.Comment("")
		}
		d.Prose(n)
	}
	if db.Strategy != wanted.Strategy {
		if err := d.Disabled(func(d *hcldoc.Doc) { writeBlock(d, wanted) }); err != nil {
			return err
		}
	}
	writeBlock(d, db)
	d.Blank()
	return nil
}

func writeBlock(d *hcldoc.Doc, db Database) {
	d.Open("database", db.Strategy, "main")
	var tls hcldoc.Doc
	for _, a := range db.Attributes {
		if name, nested := strings.CutPrefix(a.Name, "tls."); nested {
			tls.Attr(name, a.Expr, a.Note)
			continue
		}
		d.Attr(a.Name, a.Expr, a.Note)
	}
	d.Nested("tls", &tls)
	d.Close()
}

func writeKeeping(d *hcldoc.Doc, a Answers) {
	d.Comment("Keep it on another disk than the home.")
	d.Open("archive", "tar", "local")
	d.Attr("destination", hcldoc.Quote(a.Destination), "")
	d.Close()
	d.Blank()
	d.Open("retention", "standard")
	d.Attr("keep_last", "7", "backups")
	d.Close()
}

// oracle is a database for which there is an example of commands, and no strategy.
func oracle(db Database) (Database, []*problem.Problem) {
	const example = "examples/command/oracle"
	return Database{
			Strategy: "none",
			Notes:    append(slices.Clone(db.Notes), "bkp backs up Oracle with commands: "+example+` has database "command" and its script, which reads the SCN under the lock and runs expdp after the unlock. Until that is declared here, the database is NOT backed up. Where it is:`),
		}, []*problem.Problem{problem.Warn("database is backed up by commands", `the settings of Bitbucket name Oracle, and the configuration says database "none" until its commands are there`,
			"copy the example "+example+" of the sources, and declare database \"command\" as it does")}
}

// supported replaces a database that this version has no strategy for, and
// leaves out attributes that the strategy does not have.
func supported(db Database, registry *providers.Registry) (Database, []*problem.Problem) {
	def, ok := registry.Lookup(providers.Databases.Name(), db.Strategy)
	if !ok && db.Strategy == "oracle" {
		return oracle(db)
	}
	if !ok {
		return Database{
				Strategy: "none",
				Notes: append(slices.Clone(db.Notes), "This version of bkp has no strategy for "+db.Strategy+
					": the database is NOT backed up. Dump it by other means, at the same time. Its block will probably look like this:"),
			}, []*problem.Problem{problem.Warn("database not supported", "this version of bkp has no database "+hcldoc.Quote(db.Strategy)+"; the configuration says database \"none\"",
				"back the database up by other means, or use a later version of bkp")}
	}
	known := def.Schema().Names()
	db.Attributes = slices.DeleteFunc(slices.Clone(db.Attributes), func(a Attribute) bool { return !slices.Contains(known, a.Name) })
	return db, nil
}

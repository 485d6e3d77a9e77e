package scaffold

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"bkp/internal/hcldoc"
	"bkp/internal/javaprops"
	"bkp/internal/jdbc"
	"bkp/internal/problem"
)

// PasswordVariable is the environment variable of the database's password,
// where it cannot be read from bitbucket.properties.
const PasswordVariable = "BKP_DB_PASSWORD"

// Database is what the block of the database will hold.
type Database struct {
	// Strategy as it should be; a version of bkp may not have it.
	Strategy string
	// Attributes in the order in which they are written.
	Attributes []Attribute
	// Notes stand above the block.
	Notes []string
	// NeedsPassword is set when the password comes from PasswordVariable.
	NeedsPassword bool
}

// Attribute is one attribute; Expr is in HCL.
type Attribute struct{ Name, Expr, Note string }

func (d *Database) set(name, value string) {
	if value != "" {
		d.Attributes = append(d.Attributes, Attribute{Name: name, Expr: hcldoc.Quote(value)})
	}
}

// strategies are those of databases by their engine.
var strategies = map[string]string{
	jdbc.PostgreSQL: "postgresql", jdbc.MySQL: "mysql", jdbc.MariaDB: "mysql", jdbc.SQLServer: "sqlserver", jdbc.Oracle: "oracle",
	jdbc.H2: "embedded", jdbc.HSQLDB: "embedded",
}

// database reads the entries jdbc.*. path is the file that holds them, but for those
// that come from outside.
func database(entries map[string]string, path string, outside map[string]string) (Database, []*problem.Problem) {
	raw := entries[jdbcURLProperty]
	if raw == "" && entries[jdbcDriverProperty] == "" {
		return Database{Strategy: "embedded"}, nil
	}
	u := jdbc.Parse(raw)
	engine, by := jdbc.EngineOf(raw), jdbcURLProperty
	if engine == "" {
		engine, by = jdbc.EngineOfDriver(entries[jdbcDriverProperty]), jdbcDriverProperty
	}
	d := Database{Strategy: strategies[engine]}
	if by == jdbcDriverProperty {
		d.Notes = append(d.Notes, "Known from jdbc.driver alone, without the address of jdbc.url: check host, port and database.")
	}
	switch d.Strategy {
	case "":
		d.Strategy = "none"
		d.Notes = []string{"The kind of database was not recognized: it is NOT backed up until it is declared here."}
		return d, []*problem.Problem{problem.Warn("database not recognized", "jdbc.driver is "+entries[jdbcDriverProperty]+" in "+path,
			"declare the database by hand")}
	case "embedded":
		return d, nil
	}
	var warnings []*problem.Problem
	if len(u.Others) > 0 {
		warnings = append(warnings, problem.Warn("several database hosts", "jdbc.url names "+u.Host+" and "+strings.Join(u.Others, ", "),
			"bkp reads from one: check that host is the primary"))
	}
	if u.Host == "" {
		u.Host = "localhost"
	}
	username := entries["jdbc.user"]
	if username == "" {
		username = u.Params.Get("user")
	}
	if username == "" {
		username = "bitbucket"
		d.Notes = append(d.Notes, "bitbucket.properties names no user: check username.")
	}
	if u.Database == "" {
		u.Database = username
	}
	if d.Strategy == "mysql" {
		warnings = append(warnings, problem.Warn("Bitbucket Data Center does not support MySQL", by+" in "+path+" names "+jdbc.Product(engine)+", which Atlassian supported for Bitbucket Server only",
			"bkp backs it up all the same; migrate to PostgreSQL before the next upgrade of Bitbucket"))
	}
	d.set("host", u.Host)
	if n, err := strconv.ParseUint(u.Port, 10, 16); err == nil && n > 0 {
		d.Attributes = append(d.Attributes, Attribute{Name: "port", Expr: u.Port})
	}
	d.set("database", u.Database)
	d.set("username", username)
	d.password(entries, path, outside)
	switch d.Strategy {
	case "postgresql":
		d.tls(u)
	case "sqlserver":
		warnings = append(warnings, d.sqlServer(u))
	}
	d.leftOut(u)
	return d, warnings
}

// sqlServer adds what only an administrator of SQL Server knows.
func (d *Database) sqlServer(u jdbc.URL) *problem.Problem {
	d.Attributes = append(d.Attributes, Attribute{Name: "server_path", Expr: hcldoc.Quote("/var/opt/mssql/backup"), Note: "where the server writes its backups"})
	d.Notes = append(d.Notes, "SQL Server writes its backups on its own disk, and bkp takes them from there: check server_path, and set path if this machine has that folder elsewhere. The login needs the role db_backupoperator. This strategy is experimental.")
	if u.Params.Get("encrypt") == "true" && u.Params.Get("trustServerCertificate") != "true" {
		d.set("tls.mode", "verify-full")
	}
	for _, name := range []string{"encrypt", "trustServerCertificate"} {
		u.Params.Del(name)
	}
	if u.Instance != "" && u.Port == "" {
		d.Notes = append(d.Notes, "jdbc.url names the instance "+u.Instance+": give its port.")
	}
	return problem.Warn("SQL Server's backups lie on its own disk", "the configuration says server_path = \"/var/opt/mssql/backup\"",
		"correct it, and mount that folder on this machine: see docs/guides/sql-server.md")
}

// password refers to the password; it never copies it.
func (d *Database) password(entries map[string]string, path string, outside map[string]string) {
	encrypted := entries["jdbc.password.decrypter.classname"] != "" || entries["encrypted-property.cipher.classname"] != ""
	switch {
	case encrypted:
		d.Notes = append(d.Notes, "The password in bitbucket.properties is encrypted, and only Bitbucket can decrypt it: give it in the environment variable "+PasswordVariable+".")
	case outside[jdbcPasswordProperty] != "":
		d.Attributes = append(d.Attributes, Attribute{Name: "password", Expr: "env(" + hcldoc.Quote(javaprops.Variables(jdbcPasswordProperty)[0]) + ")", Note: "as Bitbucket's container has it"})
		return
	case entries[jdbcPasswordProperty] != "":
		d.Attributes = append(d.Attributes, Attribute{Name: "password", Expr: "properties(" + hcldoc.Quote(path) + `)["jdbc.password"]`})
		return
	default:
		d.Notes = append(d.Notes, "bitbucket.properties holds no password: give it in the environment variable "+PasswordVariable+", or remove the line to use ~/.pgpass.")
	}
	d.Attributes = append(d.Attributes, Attribute{Name: "password", Expr: "env(" + hcldoc.Quote(PasswordVariable) + ")"})
	d.NeedsPassword = true
}

var sslModes = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}

// tls takes over what the driver of PostgreSQL and libpq understand alike.
func (d *Database) tls(u jdbc.URL) {
	mode := u.Params.Get("sslmode")
	if _, set := u.Params["ssl"]; set && mode == "" && u.Params.Get("ssl") != "false" {
		mode = "verify-full" // the driver's meaning of ssl=true
		if strings.HasSuffix(u.Params.Get("sslfactory"), ".NonValidatingFactory") {
			mode = "require"
		}
	}
	if slices.Contains(sslModes, mode) {
		d.set("tls.mode", mode)
	}
	d.set("tls.ca_file", u.Params.Get("sslrootcert"))
	if u.Params.Get("sslcert") != "" || u.Params.Get("sslkey") != "" {
		d.Notes = append(d.Notes, "jdbc.url names a client certificate. Set cert_file and key_file of the tls block here: bkp wants the key as PEM, Java has it as DER.")
	}
}

// leftOut names the parameters that mean something to Java alone.
func (d *Database) leftOut(u jdbc.URL) {
	taken := []string{"user", "password", "ssl", "sslfactory", "sslmode", "sslrootcert", "sslcert", "sslkey"}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(u.Params)) {
		if d.Strategy != "postgresql" || !slices.Contains(taken, name) {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		d.Notes = append(d.Notes, "Not imported from jdbc.url: "+strings.Join(names, ", ")+".")
	}
}

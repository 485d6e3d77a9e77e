package jdbc

import (
	"slices"
	"strings"
)

// Engines of databases, as the addresses of their drivers call them.
const (
	PostgreSQL = "postgresql"
	MySQL      = "mysql"
	MariaDB    = "mariadb"
	SQLServer  = "sqlserver"
	Oracle     = "oracle"
	H2         = "h2"
	HSQLDB     = "hsqldb"
)

var engines = []string{PostgreSQL, MySQL, MariaDB, SQLServer, Oracle, H2, HSQLDB}

// drivers are how the classes of drivers begin.
var drivers = []struct{ prefix, engine string }{
	{"org.postgresql.", PostgreSQL},
	{"com.mysql.", MySQL},
	{"org.mariadb.", MariaDB},
	{"com.microsoft.sqlserver.", SQLServer},
	{"net.sourceforge.jtds.", SQLServer},
	{"oracle.jdbc.", Oracle},
	{"org.h2.", H2},
	{"org.hsqldb.", HSQLDB},
}

// EngineOf is the engine that an address leads to, "" if it is not known. Drivers around
// another one have it behind their own name: jdbc:aws-wrapper:postgresql://….
func EngineOf(raw string) string {
	rest, ok := strings.CutPrefix(strings.TrimSpace(raw), "jdbc:")
	if !ok {
		return ""
	}
	for word := range strings.SplitSeq(rest, ":") {
		if word = strings.ToLower(word); slices.Contains(engines, word) {
			return word
		}
		if strings.ContainsAny(word, "/@;?") {
			break // a host or a path from here on
		}
	}
	return ""
}

// EngineOfDriver is the engine of a driver's class, "" if it is not known.
func EngineOfDriver(class string) string {
	for _, d := range drivers {
		if strings.HasPrefix(strings.TrimSpace(class), d.prefix) {
			return d.engine
		}
	}
	return ""
}

// Product is what an engine is called by people.
func Product(engine string) string {
	switch engine {
	case PostgreSQL:
		return "PostgreSQL"
	case MySQL:
		return "MySQL"
	case MariaDB:
		return "MariaDB"
	case SQLServer:
		return "SQL Server"
	case Oracle:
		return "Oracle"
	case H2, HSQLDB:
		return "an embedded database"
	}
	return engine
}

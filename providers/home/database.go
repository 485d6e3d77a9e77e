package home

import (
	"fmt"
	"slices"
	"strings"

	"bkp/internal/jdbc"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/internal/settings"
)

// Bitbucket's settings of its database.
const (
	settingURL    = "jdbc.url"
	settingDriver = "jdbc.driver"
)

// oracleExample is what an administrator of Oracle declares.
const oracleExample = `declare database "command" as the example examples/command/oracle does, with its script: see docs/guides/command.md`

// checkDatabase compares the database that is declared with the one that Bitbucket uses.
//
// Another kind is an error: the database that is declared may be there and well, such as
// the embedded one of a Bitbucket that has moved to PostgreSQL, and a backup of it would
// be found to be of no use on the day of the restore. The environment counts before the file, but
// it is one for all instances: where the file alone names the kind that is declared, the
// environment is taken for another one's.
func (b *Base) checkDatabase(r *providers.Report, s settings.Settings) {
	declared := b.Env.Instance.Database
	engine, where := engineOf(s.Find)
	if declared.Address == "" || engine == "" {
		return
	}
	if filed, inFile := engineOf(s.FindInFile); filed != "" && !fits(declared, engine) && fits(declared, filed) {
		r.Add(problem.Warn("environment names another kind of database", fmt.Sprintf("%s names %s, and %s names %s, which %s backs up", where, jdbc.Product(engine), inFile, jdbc.Product(filed), declared.Address),
			"if Bitbucket has that variable, declare the database that it names; if the variable is of another instance, run bkp for each instance with its own environment"))
		engine, where = filed, inFile
	}
	product := jdbc.Product(engine)
	switch {
	case !fits(declared, engine):
		r.Add(problem.New("Bitbucket uses another kind of database", fmt.Sprintf("%s names %s, and %s backs up %s", where, product, declared.Address, products(declared.Engines)),
			remedyFor(engine)))
	case declared.Empty && engine == jdbc.Oracle:
		r.Add(problem.Warn("database is backed up by commands", fmt.Sprintf("%s names %s, and %s backs up nothing", where, product, declared.Address), oracleExample))
	}
	if engine == jdbc.MySQL || engine == jdbc.MariaDB {
		r.Add(problem.Warn("Bitbucket Data Center does not support MySQL", fmt.Sprintf("%s names %s, which Atlassian supported for Bitbucket Server only", where, product),
			"bkp backs it up all the same; migrate to PostgreSQL before the next upgrade of Bitbucket"))
	}
}

// fits reports whether what is declared backs up databases of this kind.
func fits(declared providers.Database, engine string) bool {
	return len(declared.Engines) == 0 || slices.Contains(declared.Engines, engine)
}

// remedyFor is what to do with a database of this kind.
func remedyFor(engine string) string {
	const orelse = ". If Bitbucket has JDBC_URL in its environment, set it for bkp as well, on the machine of the home: it counts before the file"
	if engine == jdbc.Oracle {
		return oracleExample + orelse
	}
	return "declare the database that Bitbucket uses, and refer to it in the instance" + orelse
}

// engineOf is the kind of Bitbucket's database and where that is said, "" if it is not known. find
// looks up a setting.
func engineOf(find func(name string) (value, where string)) (engine, where string) {
	url, where := find(settingURL)
	if engine = jdbc.EngineOf(url); engine != "" {
		return engine, where
	}
	class, where := find(settingDriver)
	return jdbc.EngineOfDriver(class), where
}

// products are the names of engines, each once.
func products(engines []string) string {
	var out []string
	for _, e := range engines {
		if p := jdbc.Product(e); !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return strings.Join(out, " or ")
}

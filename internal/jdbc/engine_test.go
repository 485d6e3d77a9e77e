package jdbc

import "testing"

func TestEngineOf(t *testing.T) {
	for url, want := range map[string]string{
		"jdbc:postgresql://db/b":                  PostgreSQL,
		"jdbc:aws-wrapper:postgresql://db/b":      PostgreSQL,
		"jdbc:mysql:replication://a,b/b":          MySQL,
		"jdbc:MariaDB://db/b":                     MariaDB,
		"jdbc:jtds:sqlserver://db/b":              SQLServer,
		"jdbc:sqlserver://db;databaseName=oracle": SQLServer,
		"jdbc:oracle:thin:@//db:1521/service":     Oracle,
		"jdbc:h2:/var/home/shared/data/db":        H2,
		"jdbc:hsqldb:/home/mysql:x/db":            HSQLDB,
		"jdbc:db2://mysql:3306/oracle":            "",
		"jdbc:proxy://h:mysql:x":                  "",
		"postgresql://db/b":                       "",
		"jdbc:":                                   "",
		"":                                        "",
	} {
		if got := EngineOf(url); got != want {
			t.Errorf("%s is of %q, want %q", url, got, want)
		}
	}
}

func TestEngineOfDriver(t *testing.T) {
	for class, want := range map[string]string{
		"org.postgresql.Driver":                        PostgreSQL,
		"com.mysql.jdbc.Driver":                        MySQL,
		"com.mysql.cj.jdbc.Driver":                     MySQL,
		"org.mariadb.jdbc.Driver":                      MariaDB,
		"com.microsoft.sqlserver.jdbc.SQLServerDriver": SQLServer,
		"oracle.jdbc.driver.OracleDriver":              Oracle,
		"oracle.jdbc.OracleDriver":                     Oracle,
		"org.h2.Driver":                                H2,
		"org.hsqldb.jdbcDriver":                        HSQLDB,
		"org.example.Driver":                           "",
		"":                                             "",
	} {
		if got := EngineOfDriver(class); got != want {
			t.Errorf("%s is of %q, want %q", class, got, want)
		}
	}
}

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"

	"bkp/internal/mysqlserver"
	"bkp/internal/pgserver"
)

// engine is a database server in which scenes have theirs. The sessions of bkp
// differ from those of the users.
type engine interface {
	Host() string
	Port() int
	Stop() error
	CreateDatabase(ctx context.Context, name string) error
	// URL is how the sandbox reaches a database.
	URL(name string) string
	// account is that of bkp.
	account() (user, password string)
	drop(ctx context.Context, name string) error
	// sessions are those that bkp has with a database.
	sessions(ctx context.Context, name string) ([]string, error)
	// statement is what a message to the server is about.
	statement(data []byte) string
}

// startEngines starts a server for each database strategy that needs one. The
// caller stops them, also after an error.
func startEngines(ctx context.Context, dir string, chosen []scenario) (map[string]engine, error) {
	engines := map[string]engine{}
	for _, s := range chosen {
		if engines[s.database] != nil {
			continue
		}
		switch s.database {
		case "postgresql":
			server, err := pgserver.Start(ctx, filepath.Join(dir, "postgresql"), "max_connections=100")
			if err != nil {
				return engines, err
			}
			engines[s.database] = &postgresql{server}
		case "mysql":
			server, err := startMariaDB(ctx, filepath.Join(dir, "mysql"))
			if err != nil {
				return engines, err
			}
			engines[s.database] = server
		case "sqlserver":
			server, err := startSQLServer(filepath.Join(dir, "sqlserver"))
			if err != nil {
				return engines, err
			}
			engines[s.database] = server
		}
	}
	return engines, nil
}

func stopEngines(all map[string]engine) error {
	var err error
	for _, e := range all {
		err = errors.Join(err, e.Stop())
	}
	return err
}

type postgresql struct{ *pgserver.Server }

// users differ from bkp by the name of their sessions.
const users = "users"

func (p *postgresql) URL(name string) string {
	return p.Server.URL(name) + "&application_name=" + users
}

func (p *postgresql) account() (user, password string) { return p.User(), p.Password() }

func (p *postgresql) drop(ctx context.Context, name string) error {
	return p.Exec(ctx, "postgres", "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
}

func (p *postgresql) sessions(ctx context.Context, name string) ([]string, error) {
	conn, err := pgx.Connect(ctx, p.URL("postgres"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, `select application_name || ': ' || state || ': ' || query from pg_stat_activity
		where datname = $1 and application_name <> $2`, name, users)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// statement is the kind of a message of PostgreSQL's, with the first words of a
// query.
func (p *postgresql) statement(data []byte) string {
	if len(data) < 5 || data[0] == 0 {
		return ""
	}
	kind := ":" + string(data[:1])
	if data[0] != 'Q' {
		return kind
	}
	return kind + ":" + firstWords(string(data[5:]))
}

func firstWords(query string) string {
	words := strings.Fields(query)
	return strings.Join(words[:min(len(words), 2)], "-")
}

type mariadb struct {
	*mysqlserver.Server
	password string
	db       *sql.DB
}

// tortured is the account of bkp.
const tortured = "tortured"

func startMariaDB(ctx context.Context, dir string) (*mariadb, error) {
	server, err := mysqlserver.Start(ctx, dir)
	if err != nil {
		return nil, err
	}
	m := &mariadb{Server: server, password: `pä's\s"w%rd ` + server.Password()[:8]}
	if m.db, err = server.Open(""); err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	for _, statement := range []string{"CREATE USER %s@'%%' IDENTIFIED BY '%s'", "GRANT ALL ON *.* TO %s@'%%' -- %s"} {
		text := fmt.Sprintf(statement, tortured, strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(m.password))
		if _, err := m.db.ExecContext(ctx, text); err != nil {
			return nil, errors.Join(err, m.Stop())
		}
	}
	return m, nil
}

// Stop implements engine.
func (m *mariadb) Stop() error { return errors.Join(m.db.Close(), m.Server.Stop()) }

func (m *mariadb) account() (user, password string) { return tortured, m.password }

func (m *mariadb) drop(ctx context.Context, name string) error {
	_, err := m.db.ExecContext(ctx, "DROP DATABASE IF EXISTS `"+name+"`")
	return err
}

func (m *mariadb) sessions(ctx context.Context, name string) ([]string, error) {
	rows, err := m.db.QueryContext(ctx, "SELECT CONCAT(COMMAND, ': ', COALESCE(INFO, '')) FROM information_schema.PROCESSLIST WHERE USER = ? AND DB = ?", tortured, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, rows.Err()
}

// statement is the kind of a packet of MySQL's, with the first words of a query:
// a length of three bytes, a number, and a command.
func (m *mariadb) statement(data []byte) string {
	const header, query = 4, 3
	if len(data) <= header || data[header-1] != 0 { // not the first packet of a command
		return ""
	}
	if data[header] != query {
		return fmt.Sprintf(":%d", data[header])
	}
	return ":Q:" + firstWords(string(data[header+1:]))
}

package sandbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	_ "github.com/microsoft/go-mssqldb" // the driver of sqlserver://

	"bkp/internal/lab/sandbox/embedded"
)

// isSQLServer is for the stand-in of internal/lab/sqlserver, which takes texts alone, in
// statements without parameters.
func isSQLServer(text string) bool { return strings.HasPrefix(text, "sqlserver://") }

// openSQLServer reads sqlserver://user:password@host:port/database.
func openSQLServer(text string) (*sql.DB, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || strings.Trim(u.Path, "/") == "" || u.RawQuery != "" {
		return nil, unknownDatabase(text)
	}
	u.RawQuery = url.Values{"database": {strings.TrimPrefix(u.Path, "/")}, "encrypt": {"disable"}}.Encode()
	u.Path = ""
	return sql.Open("sqlserver", u.String())
}

// createSQLServer makes the tables.
func createSQLServer(ctx context.Context, text string) (database, error) {
	db, err := openSQLServer(text)
	if err != nil {
		return nil, err
	}
	for _, statement := range []string{
		"CREATE TABLE [repository] (row bigint IDENTITY PRIMARY KEY, id bigint NOT NULL, name nvarchar(255) NOT NULL)",
		`CREATE TABLE [push] (id bigint IDENTITY PRIMARY KEY, repository_id bigint NOT NULL, branch nvarchar(255) NOT NULL,
			hash nvarchar(64) NOT NULL, pushed_at nvarchar(64) NOT NULL)`,
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return nil, errors.Join(unreachable(err), db.Close())
		}
	}
	return sqlServer{db}, nil
}

// readSQLServer returns all rows. Pushes are read first: their repositories were there before.
func readSQLServer(ctx context.Context, text string) (rows Rows, err error) {
	db, err := openSQLServer(text)
	if err != nil {
		return Rows{}, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	const pushes, repositories = "SELECT * FROM [push] ORDER BY 1", "SELECT * FROM [repository] ORDER BY 1"
	err = eachRow(ctx, db, pushes, func(v []string) error {
		p := Push{Branch: v[2], Commit: v[3]}
		var wrong [3]error
		p.ID, wrong[0] = strconv.ParseInt(v[0], 10, 64)
		p.Repository, wrong[1] = strconv.Atoi(v[1])
		p.At, wrong[2] = time.Parse(time.RFC3339Nano, v[4])
		rows.Pushes = append(rows.Pushes, p)
		return errors.Join(wrong[:]...)
	})
	if err == nil {
		err = eachRow(ctx, db, repositories, func(v []string) error {
			id, err := strconv.Atoi(v[1])
			rows.Repositories = append(rows.Repositories, embedded.Repository{ID: id, Name: v[2]})
			return err
		})
	}
	if err != nil {
		return Rows{}, unreachable(err)
	}
	return rows, nil
}

// eachRow calls f with the values of each row as texts.
func eachRow(ctx context.Context, db *sql.DB, query string, f func([]string) error) error {
	found, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = found.Close() }()
	columns, err := found.Columns()
	if err != nil {
		return err
	}
	for found.Next() {
		values, into := make([]string, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := found.Scan(into...); err != nil {
			return err
		}
		if err := f(values); err != nil {
			return err
		}
	}
	return found.Err()
}

type sqlServer struct{ db *sql.DB }

func quoteSQL(text string) string { return "N'" + strings.ReplaceAll(text, "'", "''") + "'" }

func (d sqlServer) insert(ctx context.Context, into string, values ...string) error {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = quoteSQL(v)
	}
	_, err := d.db.ExecContext(ctx, "INSERT INTO "+into+" VALUES ("+strings.Join(quoted, ", ")+")") //nolint:gosec // the server takes no parameters, and each value is quoted
	return err
}

func (d sqlServer) addRepository(ctx context.Context, r embedded.Repository) error {
	return d.insert(ctx, "[repository] (id, name)", strconv.Itoa(r.ID), r.Name)
}

func (d sqlServer) addPush(ctx context.Context, p Push) error {
	return d.insert(ctx, "[push] (repository_id, branch, hash, pushed_at)",
		strconv.Itoa(p.Repository), p.Branch, p.Commit, p.At.UTC().Format(time.RFC3339Nano))
}

func (d sqlServer) close() error { return d.db.Close() }

// sqlServerJDBC returns the lines of bitbucket.properties that name the database.
func sqlServerJDBC(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", unknownDatabase(text)
	}
	password, _ := u.User.Password()
	return fmt.Sprintf("jdbc.driver=com.microsoft.sqlserver.jdbc.SQLServerDriver\njdbc.url=jdbc:sqlserver://%s;databaseName=%s;\njdbc.user=%s\njdbc.password=%s\n",
		u.Host, strings.TrimPrefix(u.Path, "/"), u.User.Username(), strings.ReplaceAll(password, `\`, `\\`)), nil
}

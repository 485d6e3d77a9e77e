package sandbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/go-sql-driver/mysql"

	"bkp/internal/lab/sandbox/embedded"
)

func isMySQL(text string) bool {
	return strings.HasPrefix(text, "mysql://") || strings.HasPrefix(text, "mariadb://")
}

// mysqlConfig reads mysql://user:password@host:port/database.
func mysqlConfig(text string) (*mysql.Config, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || strings.Trim(u.Path, "/") == "" || u.RawQuery != "" {
		return nil, unknownDatabase(text)
	}
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr, cfg.DBName = "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
	if u.Port() == "" {
		cfg.Addr = u.Host + ":3306"
	}
	cfg.User = u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	cfg.ParseTime, cfg.InterpolateParams, cfg.Logger = true, true, &mysql.NopLogger{}
	return cfg, nil
}

func openMySQL(text string) (*sql.DB, error) {
	cfg, err := mysqlConfig(text)
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, unknownDatabase(text)
	}
	return sql.OpenDB(connector), nil
}

// createMySQL makes the tables.
func createMySQL(ctx context.Context, text string) (database, error) {
	db, err := openMySQL(text)
	if err != nil {
		return nil, err
	}
	for _, statement := range []string{
		"create table repository (id bigint primary key, name text not null) engine=InnoDB",
		`create table push (
			id bigint auto_increment primary key,
			repository_id bigint not null,
			branch text not null,
			` + "`commit`" + ` text not null,
			pushed_at datetime(6) not null,
			foreign key (repository_id) references repository (id)
		) engine=InnoDB`,
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return nil, errors.Join(unreachable(err), db.Close())
		}
	}
	return mariadb{db}, nil
}

// readMySQL returns all rows at one instant.
func readMySQL(ctx context.Context, text string) (rows Rows, err error) {
	db, err := openMySQL(text)
	if err != nil {
		return Rows{}, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return Rows{}, unreachable(err)
	}
	defer func() { _ = tx.Rollback() }()
	rows.Repositories, err = collect(ctx, tx, "select id, name from repository order by id",
		func(r *embedded.Repository) []any { return []any{&r.ID, &r.Name} })
	if err == nil {
		rows.Pushes, err = collect(ctx, tx, "select id, repository_id, branch, `commit`, pushed_at from push order by id",
			func(p *Push) []any { return []any{&p.ID, &p.Repository, &p.Branch, &p.Commit, &p.At} })
	}
	if err != nil {
		return Rows{}, unreachable(err)
	}
	return rows, nil
}

// collect reads rows into values whose fields are the columns.
func collect[T any](ctx context.Context, tx *sql.Tx, query string, columns func(*T) []any) ([]T, error) {
	found, err := tx.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = found.Close() }()
	var out []T
	for found.Next() {
		var row T
		if err := found.Scan(columns(&row)...); err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, found.Err()
}

type mariadb struct{ db *sql.DB }

func (d mariadb) addRepository(ctx context.Context, r embedded.Repository) error {
	_, err := d.db.ExecContext(ctx, "insert into repository (id, name) values (?, ?)", r.ID, r.Name)
	return err
}

func (d mariadb) addPush(ctx context.Context, p Push) error {
	_, err := d.db.ExecContext(ctx, "insert into push (repository_id, branch, `commit`, pushed_at) values (?, ?, ?, ?)",
		p.Repository, p.Branch, p.Commit, p.At.UTC())
	return err
}

func (d mariadb) close() error { return d.db.Close() }

// mysqlJDBC returns the lines of bitbucket.properties that name the database.
func mysqlJDBC(text string) (string, error) {
	c, err := mysqlConfig(text)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("jdbc.driver=com.mysql.cj.jdbc.Driver\njdbc.url=jdbc:mysql://%s/%s\njdbc.user=%s\njdbc.password=%s\n",
		c.Addr, c.DBName, c.User, strings.ReplaceAll(c.Passwd, `\`, `\\`)), nil
}

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"bkp/internal/lab/sandbox/embedded"
	"bkp/internal/problem"
)

// Embedded names the embedded database where a database's URL is wanted.
const Embedded = "embedded"

// inFile begins the URL of a database that is a file like the embedded one, elsewhere: what a
// stand-in for a service of databases has.
const inFile = "file://"

// Push is a row of the pushes.
type Push = embedded.Push

// Rows is the content of a database of the sandbox.
type Rows = embedded.Rows

// database takes rows. It is safe for concurrent use.
type database interface {
	addRepository(ctx context.Context, r embedded.Repository) error
	addPush(ctx context.Context, p Push) error
	close() error
}

// createDatabase makes the tables, in the home's embedded database or in the
// PostgreSQL or MySQL database at url, which must hold none of that name.
func createDatabase(ctx context.Context, home, url string) (database, error) {
	if url == "" || url == Embedded {
		db, err := embedded.Create(embeddedFile(home))
		return inHome{db}, err
	}
	if path, ok := strings.CutPrefix(url, inFile); ok {
		db, err := embedded.Create(path)
		return inHome{db}, err
	}
	if isMySQL(url) {
		return createMySQL(ctx, url)
	}
	if isSQLServer(url) {
		return createSQLServer(ctx, url)
	}
	if !isPostgres(url) {
		return nil, unknownDatabase(url)
	}
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return nil, unreachable(err)
	}
	_, err = pool.Exec(ctx, `
		create table repository (id bigint primary key, name text not null);
		create table push (
			id bigserial primary key,
			repository_id bigint not null references repository,
			branch text not null,
			commit text not null,
			pushed_at timestamptz not null
		)`)
	if err != nil {
		pool.Close()
		return nil, unreachable(err)
	}
	return postgres{pool}, nil
}

// ReadDatabase returns all rows of a home's embedded database, or of the
// PostgreSQL or MySQL database at url, at one instant.
func ReadDatabase(ctx context.Context, home, url string) (rows Rows, err error) {
	if url == "" || url == Embedded {
		return embedded.Read(embeddedFile(home))
	}
	if path, ok := strings.CutPrefix(url, inFile); ok {
		return embedded.Read(path)
	}
	if isMySQL(url) {
		return readMySQL(ctx, url)
	}
	if isSQLServer(url) {
		return readSQLServer(ctx, url)
	}
	if !isPostgres(url) {
		return Rows{}, unknownDatabase(url)
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return Rows{}, unreachable(err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, conn, options, func(tx pgx.Tx) error {
		found, err := tx.Query(ctx, `select id, name from repository order by id`)
		if err != nil {
			return err
		}
		rows.Repositories, err = pgx.CollectRows(found, pgx.RowToStructByPos[embedded.Repository])
		if err != nil {
			return err
		}
		found, err = tx.Query(ctx, `select id, repository_id, branch, commit, pushed_at from push order by id`)
		if err != nil {
			return err
		}
		rows.Pushes, err = pgx.CollectRows(found, pgx.RowToStructByPos[Push])
		return err
	})
	if err != nil {
		return Rows{}, unreachable(err)
	}
	return rows, nil
}

func isPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

// unknownDatabase does not repeat the text: it may hold a password.
func unknownDatabase(string) error {
	return problem.New("unknown database", "it is neither the word embedded nor a URL of PostgreSQL or MySQL",
		"say embedded, postgres://user:password@host:port/database or mysql://user:password@host:port/database")
}

func unreachable(err error) error {
	return problem.Wrap(err, "the sandbox's database cannot be used", "check the URL, and that the server runs and the database is the sandbox's")
}

func embeddedFile(home string) string { return filepath.Join(home, "shared", "data", "db.mv.db") }

type inHome struct{ db *embedded.DB }

func (d inHome) addRepository(_ context.Context, r embedded.Repository) error {
	return d.db.AddRepository(r)
}

func (d inHome) addPush(_ context.Context, p Push) error {
	_, err := d.db.AddPush(p)
	return err
}

func (d inHome) close() error { return d.db.Close() }

type postgres struct{ pool *pgxpool.Pool }

func (d postgres) addRepository(ctx context.Context, r embedded.Repository) error {
	_, err := d.pool.Exec(ctx, `insert into repository (id, name) values ($1, $2)`, r.ID, r.Name)
	return err
}

func (d postgres) addPush(ctx context.Context, p Push) error {
	_, err := d.pool.Exec(ctx,
		`insert into push (repository_id, branch, commit, pushed_at) values ($1, $2, $3, $4)`,
		p.Repository, p.Branch, p.Commit, p.At)
	return err
}

func (d postgres) close() error {
	d.pool.Close()
	return nil
}

// jdbc returns the lines of bitbucket.properties that name the database.
func jdbc(url string) (string, error) {
	if url == "" || url == Embedded || strings.HasPrefix(url, inFile) {
		return "", nil
	}
	if isMySQL(url) {
		return mysqlJDBC(url)
	}
	if isSQLServer(url) {
		return sqlServerJDBC(url)
	}
	c, err := pgx.ParseConfig(url)
	if err != nil {
		return "", unknownDatabase(url)
	}
	return fmt.Sprintf("jdbc.driver=org.postgresql.Driver\njdbc.url=jdbc:postgresql://%s:%d/%s\njdbc.user=%s\njdbc.password=%s\n",
		c.Host, c.Port, c.Database, c.User, strings.ReplaceAll(c.Password, `\`, `\\`)), nil
}

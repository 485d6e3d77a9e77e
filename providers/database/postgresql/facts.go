package postgresql

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// facts is what the server reports about a database.
type facts struct {
	version                  version
	encoding, collate, ctype string
	standby                  bool
	// roles own something in the database or were granted something.
	roles []string
	// owners are those of the roles that own something.
	owners []string
	// schemas hold objects that a restore creates, or have to be created.
	schemas []string
	// objects are those that only a superuser may create.
	objects []adminObject
	// extensions are all that a new database does not have.
	extensions []adminObject
	// account is the role that reads the database.
	account account
	properties
}

const factsQuery = `SELECT current_setting('server_version_num')::int, pg_encoding_to_char(encoding), datcollate, datctype, pg_is_in_recovery()
	FROM pg_catalog.pg_database WHERE datname = current_database()`

// rolesQuery names whom a restore needs: owners, and grantees other than PUBLIC
// unless $1.
const rolesQuery = `
	WITH owned(owner, acl) AS (
		SELECT relowner, relacl FROM pg_catalog.pg_class c WHERE relkind IN ('r','p','v','m','S','f') AND ` + userSchema + `
		UNION ALL SELECT nspowner, nspacl FROM pg_catalog.pg_namespace n WHERE ` + userNamespace + `
		UNION ALL SELECT proowner, proacl FROM pg_catalog.pg_proc c JOIN pg_catalog.pg_namespace n ON n.oid = c.pronamespace WHERE ` + userNamespace + `
		UNION ALL SELECT lomowner, lomacl FROM pg_catalog.pg_largeobject_metadata
		UNION ALL SELECT defaclrole, defaclacl FROM pg_catalog.pg_default_acl
		UNION ALL SELECT typowner, typacl FROM pg_catalog.pg_type c JOIN pg_catalog.pg_namespace n ON n.oid = c.typnamespace WHERE ` + userNamespace + `
		UNION ALL SELECT pubowner, NULL FROM pg_catalog.pg_publication WHERE NOT puballtables
	)
	SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname <> 'pg_database_owner' AND (
		oid IN (SELECT owner FROM owned) OR NOT $1 AND oid IN (SELECT x.grantee FROM owned, aclexplode(acl) x))
	ORDER BY 1`

// userNamespace holds for schemas n that are not the server's own; userSchema
// for relations c in one of them.
const (
	userNamespace = `(n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')`
	userSchema    = `EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.oid = c.relnamespace AND ` + userNamespace + `)`
)

func databaseFacts(ctx context.Context, conn *pgx.Conn) (facts, error) {
	var f facts
	row := conn.QueryRow(ctx, factsQuery)
	if err := row.Scan(&f.version, &f.encoding, &f.collate, &f.ctype, &f.standby); err != nil {
		return f, fmt.Errorf("facts of the database: %w", err)
	}
	var err error
	if f.roles, err = names(ctx, conn, rolesQuery, false); err != nil {
		return f, fmt.Errorf("roles of the database: %w", err)
	}
	if f.owners, err = names(ctx, conn, rolesQuery, true); err != nil {
		return f, fmt.Errorf("owners in the database: %w", err)
	}
	if f.schemas, err = names(ctx, conn, schemasQuery); err != nil {
		return f, fmt.Errorf("schemas of the database: %w", err)
	}
	if f.objects, err = adminObjects(ctx, conn); err != nil {
		return f, err
	}
	if f.extensions, err = extensions(ctx, conn); err != nil {
		return f, err
	}
	if f.account, err = readAccount(ctx, conn); err != nil {
		return f, err
	}
	f.properties, err = readProperties(ctx, conn)
	return f, err
}

// names runs a query whose rows are single texts.
func names(ctx context.Context, conn *pgx.Conn, query string, args ...any) ([]string, error) {
	rows, err := conn.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// unreadableQuery names what pg_dump would stumble over: tables and sequences
// that the role may not select from, and tables whose rows are hidden from it.
// What belongs to an extension is not dumped.
const unreadableQuery = `
	SELECT c.oid::regclass::text || CASE
			WHEN NOT has_schema_privilege(c.relnamespace, 'USAGE') THEN ' (schema)'
			WHEN NOT allowed THEN ''
			ELSE ' (row security)' END
	FROM (SELECT c.*, CASE relkind WHEN 'S' THEN has_sequence_privilege(oid, 'SELECT') ELSE has_table_privilege(oid, 'SELECT') END AS allowed
		FROM pg_catalog.pg_class c WHERE relkind IN ('r','p','S') AND relpersistence <> 't' AND ` + userSchema + `
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')) c
	WHERE NOT allowed OR NOT has_schema_privilege(relnamespace, 'USAGE') OR row_security_active(oid)
	ORDER BY 1`

// largeObjectsQuery counts large objects, and those that the role may not read.
const largeObjectsQuery = `
	SELECT count(*), count(*) FILTER (WHERE NOT pg_has_role(lomowner, 'USAGE') AND NOT EXISTS (
			SELECT FROM aclexplode(lomacl) x WHERE x.privilege_type = 'SELECT' AND (x.grantee = 0 OR pg_has_role(x.grantee, 'USAGE'))))
	FROM pg_catalog.pg_largeobject_metadata`

// sizeQuery adds up the data without indexes, which no dump holds, and counts
// the tables.
const sizeQuery = `
	SELECT coalesce(sum(pg_table_size(c.oid)), 0)::bigint + pg_table_size('pg_catalog.pg_largeobject'), count(*)
	FROM pg_catalog.pg_class c WHERE relkind IN ('r','m') AND ` + userSchema

// systemIdentifier is what a cluster was given when it was made; "" when this
// server keeps it from the role.
func systemIdentifier(ctx context.Context, conn *pgx.Conn) (string, error) {
	var id string
	err := conn.QueryRow(ctx, "SELECT system_identifier::text FROM pg_catalog.pg_control_system()").Scan(&id)
	var server *pgconn.PgError
	if errors.As(err, &server) && (server.Code == codeInsufficient || server.Code == "42883") {
		return "", nil
	}
	return id, err
}

// shared reports whether sessions share server processes, as behind a proxy that
// pools transactions. Snapshots and settings do not live in such a session.
func (s *strategy) shared(ctx context.Context, conn *pgx.Conn) (bool, error) {
	first, err := backend(ctx, conn)
	if err != nil {
		return false, err
	}
	if first == conn.PgConn().PID() {
		return false, nil // no proxy: the server itself reported its process
	}
	other, err := s.dial(ctx, s.cfg.Database)
	if err != nil {
		return false, err
	}
	defer func() { _ = closeConn(ctx, other) }()
	// Inside a transaction the other session keeps the process it was given:
	// either that of the first session, which proves sharing, or one that the
	// first session is not given again.
	if _, err := other.Exec(ctx, "BEGIN"); err != nil {
		return false, err
	}
	taken, err := backend(ctx, other)
	if err != nil || taken == first {
		return err == nil, err
	}
	again, err := backend(ctx, conn)
	return again != first, err
}

func backend(ctx context.Context, conn *pgx.Conn) (uint32, error) {
	var pid uint32
	err := conn.QueryRow(ctx, "SELECT pg_catalog.pg_backend_pid()").Scan(&pid)
	return pid, err
}

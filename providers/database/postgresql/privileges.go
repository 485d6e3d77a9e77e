package postgresql

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/database"
)

const (
	withoutEncoding  = "database has no encoding"
	cannotFill       = "role cannot create objects in the target database"
	encodingSQLASCII = "SQL_ASCII"
)

// schemasQuery names the schemas that a restore creates objects in, or creates.
// public exists in every new database, and counts only if it holds something.
const schemasQuery = `
	SELECT n.nspname::text FROM pg_catalog.pg_namespace n WHERE ` + userNamespace + ` AND (n.nspname <> 'public'
		OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid AND ` + notOfExtension + `)
		OR EXISTS (SELECT FROM pg_catalog.pg_proc c WHERE c.pronamespace = n.oid AND ` + notOfExtension + `)
		OR EXISTS (SELECT FROM pg_catalog.pg_type c WHERE c.typnamespace = n.oid AND ` + notOfExtension + `))
	ORDER BY 1`

// notOfExtension holds for objects c that no extension brings along.
const notOfExtension = `NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = c.tableoid AND d.objid = c.oid AND d.deptype = 'e')`

// deniedQuery gives the GRANT statements that the role lacks for creating
// objects in the schemas $1, for the role's name $2 and the database's name $3
// as SQL writes them. A schema that is not there has to be created.
const deniedQuery = `
	SELECT DISTINCT CASE WHEN n.oid IS NULL THEN 'GRANT CREATE ON DATABASE ' || $3 || ' TO ' || $2
		ELSE format('GRANT USAGE, CREATE ON SCHEMA %I TO ', n.nspname) || $2 END
	FROM unnest($1::text[]) s LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = s
	WHERE CASE WHEN n.oid IS NULL THEN NOT has_database_privilege(current_database(), 'CREATE')
		ELSE NOT has_schema_privilege(n.oid, 'CREATE') OR NOT has_schema_privilege(n.oid, 'USAGE') END
	ORDER BY 1`

// denied returns what keeps the role from creating the artifact's objects in a
// database that exists, nil if nothing does. The error is a query's.
func (t *target) denied(ctx context.Context, a providers.Artifact) (*problem.Problem, error) {
	var schemas []string
	if err := json.Unmarshal([]byte(a.Facts[factSchemas]), &schemas); err != nil || !t.exists {
		return nil, nil //nolint:nilerr // a backup without the fact is restored as far as its role gets
	}
	name := pgx.Identifier{t.s.cfg.Database}.Sanitize()
	grants, err := names(ctx, t.conn, deniedQuery, schemas, pgx.Identifier{t.s.cfg.Username}.Sanitize(), name)
	if err != nil {
		return nil, fmt.Errorf("privileges in the target database: %w", err)
	}
	if len(grants) == 0 {
		return nil, nil
	}
	return problem.New(cannotFill,
		fmt.Sprintf("role %q may not create objects in database %q, schemas %s", t.s.cfg.Username, t.s.cfg.Database, database.List(schemas)),
		"grant it, as the server's administrator, in that database:\n\n    "+strings.Join(grants, ";\n    ")+"\n"), nil
}

// checkEncoding refuses a database whose bytes the server does not check: they
// cannot be converted for pg_dump, which would notice after the unlock.
func (s *strategy) checkEncoding(_ context.Context, conn *pgx.Conn, r *providers.Report) error {
	if conn.PgConn().ParameterStatus("server_encoding") == encodingSQLASCII {
		r.Add(problem.New(withoutEncoding, fmt.Sprintf("database %q is encoded in %s, which is any bytes", s.cfg.Database, encodingSQLASCII),
			"move Bitbucket to a database in UTF8, which it requires"))
	}
	return nil
}

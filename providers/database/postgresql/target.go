package postgresql

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/database"
)

// target is the database into which a restore goes.
type target struct {
	s *strategy
	// conn is to the database itself if it exists, else to one that every
	// server has.
	conn    *pgx.Conn
	exists  bool
	version version
	// before is what an existing, empty database holds: its schemas and
	// extensions.
	before map[objectID]bool
}

type objectID struct{ class, object uint32 }

// openTarget connects, and refuses a database that holds something or that
// could not be created. Only the server's own word counts as "does not exist".
func (s *strategy) openTarget(ctx context.Context, a providers.Artifact) (*target, error) {
	t := &target{s: s, exists: true}
	var err error
	t.conn, err = s.dial(ctx, s.cfg.Database)
	var server *pgconn.PgError
	if errors.As(err, &server) && server.Code == codeInvalidCatalogName {
		t.exists = false
		t.conn, err = s.maintenance(ctx)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		var p *problem.Problem
		if errors.As(err, &p) {
			return nil, p
		}
		return nil, s.connectProblem(err, s.cfg.Database)
	}
	// Settings of the role are for Bitbucket's work, not for a restore.
	_, err = t.conn.Exec(ctx, noTimeouts+"; SET default_transaction_read_only = off")
	if err == nil {
		err = t.look(ctx, a)
	}
	if err != nil {
		t.close(ctx)
		return nil, err
	}
	return t, nil
}

// maintenance connects to a database that a new server has.
func (s *strategy) maintenance(ctx context.Context) (*pgx.Conn, error) {
	conn, err := s.dial(ctx, "postgres")
	if err == nil {
		return conn, nil
	}
	if conn, errTemplate := s.dial(ctx, "template1"); errTemplate == nil {
		return conn, nil
	}
	return nil, problem.Wrapf(err, cannotCreate, "create it first, empty, as the server's administrator", "database %q", s.cfg.Database)
}

func (t *target) look(ctx context.Context, a providers.Artifact) error {
	if err := t.conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&t.version); err != nil {
		return err
	}
	if !t.exists {
		var may bool
		err := t.conn.QueryRow(ctx, "SELECT rolcreatedb OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user").Scan(&may)
		if err == nil && !may {
			err = problem.New(cannotCreate, fmt.Sprintf("database %q does not exist, and role %q may not create one", t.s.cfg.Database, t.s.cfg.Username),
				"create it as the server's administrator:\n\n    "+strings.Join(t.s.createdFor(a), ";\n    ")+"\n")
		}
		return err
	}
	objects, err := t.objects(ctx)
	if err != nil {
		return err
	}
	t.before = map[objectID]bool{}
	var held []string
	for _, o := range objects {
		t.before[o.id] = true
		if o.kind != "schema" && o.kind != "extension" {
			held = append(held, o.kind+" "+o.identity)
		}
	}
	if len(held) > 0 {
		return problem.New(targetNotEmpty, fmt.Sprintf("database %q holds %s", t.s.cfg.Database, database.List(held)),
			"restore to another database, or drop this one first if nobody needs it")
	}
	return nil
}

func (t *target) close(ctx context.Context) {
	if t.conn != nil {
		_ = closeConn(ctx, t.conn)
	}
}

type object struct {
	id             objectID
	kind, identity string
}

// objectsQuery names what a restore makes, containers first, so that dropping
// in this order leaves little to drop one by one. Members of extensions come
// and go with them.
const objectsQuery = `
	SELECT o.class::oid::bigint, o.id::bigint, i.type, i.identity FROM (
		SELECT 1 AS turn, 'pg_catalog.pg_namespace'::regclass AS class, n.oid AS id FROM pg_catalog.pg_namespace n WHERE ` + userNamespace + `
		UNION ALL SELECT 2, 'pg_catalog.pg_extension'::regclass, oid FROM pg_catalog.pg_extension
		UNION ALL SELECT 3, 'pg_catalog.pg_class'::regclass, c.oid FROM pg_catalog.pg_class c
			WHERE relkind IN ('r','p','v','m','S','f') AND ` + userSchema + `
		UNION ALL SELECT 4, 'pg_catalog.pg_proc'::regclass, p.oid FROM pg_catalog.pg_proc p
			JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE ` + userNamespace + `
		UNION ALL SELECT 5, 'pg_catalog.pg_type'::regclass, y.oid FROM pg_catalog.pg_type y
			JOIN pg_catalog.pg_namespace n ON n.oid = y.typnamespace
			LEFT JOIN pg_catalog.pg_class c ON c.oid = y.typrelid
			WHERE ` + userNamespace + ` AND (y.typtype IN ('e','d','r') OR c.relkind = 'c')
		UNION ALL SELECT 6, 'pg_catalog.pg_largeobject'::regclass, oid FROM pg_catalog.pg_largeobject_metadata
	) o, LATERAL pg_catalog.pg_identify_object(o.class, o.id, 0) i
	WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = o.class AND d.objid = o.id AND d.deptype = 'e')
	ORDER BY o.turn, i.identity`

func (t *target) objects(ctx context.Context) ([]object, error) {
	rows, err := t.conn.Query(ctx, objectsQuery)
	if err != nil {
		return nil, fmt.Errorf("content of the target database: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (object, error) {
		var o object
		err := row.Scan(&o.id.class, &o.id.object, &o.kind, &o.identity)
		return o, err
	})
}

// create makes the database as the backed up one was.
func (t *target) create(ctx context.Context, a providers.Artifact) error {
	statement := "CREATE DATABASE " + pgx.Identifier{t.s.cfg.Database}.Sanitize() + " TEMPLATE template0"
	if e := a.Facts[factEncoding]; e != "" {
		statement += " ENCODING " + quoteLiteral(e)
	}
	was := recordedProperties(a)
	locale := was.locale(a)
	_, err := t.conn.Exec(ctx, statement+locale)
	if isLocale(err) && locale != "" {
		t.s.localeUnknown(a)
		_, err = t.conn.Exec(ctx, statement)
	}
	if err != nil {
		return problem.Wrapf(err, cannotCreate, "create it first, empty, as the server's administrator", "database %q", t.s.cfg.Database)
	}
	t.setAgain(ctx, was)
	return nil
}

// localeUnknown says that a server does not know the locale of a backup.
func (s *strategy) localeUnknown(a providers.Artifact) {
	if s.unlike != nil {
		s.unlike(fmt.Sprintf("the scratch server does not know the locale %s of database %q, which may sort otherwise: install that locale on this machine", a.Facts[factCollate], s.cfg.Database))
		return
	}
	s.env.Warning(fmt.Sprintf("this server does not know the locale %s: database %q gets the server's own, and may sort otherwise",
		a.Facts[factCollate], s.cfg.Database))
}

// createdFor are the statements with which an administrator creates the database
// as the backed up one was, for a role that may not.
func (s *strategy) createdFor(a providers.Artifact) []string {
	was, name := recordedProperties(a), pgx.Identifier{s.cfg.Database}.Sanitize()
	all := []string{"CREATE DATABASE " + name + " OWNER " + pgx.Identifier{s.cfg.Username}.Sanitize() +
		" TEMPLATE template0 ENCODING " + quoteLiteral(cmp.Or(a.Facts[factEncoding], "UTF8")) + was.locale(a)}
	for _, x := range was.Settings {
		on := "ALTER DATABASE " + name
		if x.Role != "" {
			on = "ALTER ROLE " + pgx.Identifier{x.Role}.Sanitize() + " IN DATABASE " + name
		}
		all = append(all, on+x.literal())
	}
	return append(all, was.grantStatements(s.cfg.Database)...)
}

// localeCodes are what a server answers that does not know a locale, or not its
// provider.
var localeCodes = []string{codeWrongObjectType, codeInvalidParameter, codeSyntaxError, codeNotSupported}

// isLocale reports whether a server refused a locale.
func isLocale(err error) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && slices.Contains(localeCodes, server.Code)
}

// undo leaves the target as it was before the restore. It works on after the
// run was cancelled.
func (t *target) undo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if !t.exists {
		force := ""
		if t.version >= 130000 {
			force = " WITH (FORCE)" // pg_restore may still be leaving
		}
		_, err := t.conn.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{t.s.cfg.Database}.Sanitize()+force)
		return err
	}
	objects, err := t.objects(ctx)
	if err != nil {
		return err
	}
	var failed error
	for _, o := range objects {
		if t.before[o.id] {
			continue
		}
		statement := fmt.Sprintf("DROP %s IF EXISTS %s CASCADE", o.kind, o.identity)
		if o.kind == "large object" {
			statement = "SELECT pg_catalog.lo_unlink(" + o.identity + ")"
		}
		_, err := t.conn.Exec(ctx, statement)
		failed = errors.Join(failed, err)
	}
	return failed
}

// ownersLost returns why the objects cannot be given to those who owned them;
// "" if they can.
func (t *target) ownersLost(ctx context.Context, a providers.Artifact) (string, error) {
	roles, known := artifactRoles(a)
	if !known {
		return fmt.Sprintf("the backup does not record owners: all objects will belong to %q", t.s.cfg.Username), nil
	}
	var owners []string
	if err := json.Unmarshal([]byte(a.Facts[factOwners]), &owners); err != nil {
		owners = roles
	}
	missing, err := names(ctx, t.conn, `SELECT role FROM unnest($1::text[]) role WHERE NOT EXISTS (
		SELECT FROM pg_catalog.pg_roles WHERE rolname = role AND (pg_has_role(oid, 'MEMBER') OR role <> ALL (coalesce($2::text[], '{}')))) ORDER BY 1`, roles, owners)
	if err != nil || len(missing) == 0 {
		return "", err
	}
	return fmt.Sprintf("all will belong to %q: not there, or without it as a member, are %s", t.s.cfg.Username, database.List(missing)), nil
}

// artifactRoles are the roles that the artifact records, if any.
func artifactRoles(a providers.Artifact) (roles []string, known bool) {
	err := json.Unmarshal([]byte(a.Facts[factRoles]), &roles)
	return roles, err == nil
}

func quoteLiteral(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

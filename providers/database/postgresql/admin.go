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

// forAdministrator is the summary of what the database role cannot create.
const forAdministrator = "objects that only a superuser can create"

// adminObject is an object of the database that only a superuser may create.
// Class and ID are what it goes by in the list of a dump.
type adminObject struct {
	Class int64  `json:"class"`
	ID    int64  `json:"id"`
	Kind  string `json:"kind"` // as in DROP
	Name  string `json:"name"` // quoted where it has to be
	// Statement creates it.
	Statement string `json:"statement"`
}

func (o adminObject) String() string { return strings.ToLower(o.Kind) + " " + o.Name }

// adminQuery names what only a superuser may create, and what the dump brings by
// itself: an extension that is trusted, or a member of one, is not there. Which
// columns there are depends on the server's version.
const adminQuery = `
	SELECT o.class::oid::bigint, o.id::bigint, o.kind, o.name, o.statement FROM (
		SELECT 1 AS turn, 'pg_extension'::regclass AS class, e.oid AS id, 'EXTENSION' AS kind, quote_ident(extname) AS name,
			format('CREATE EXTENSION IF NOT EXISTS %I WITH SCHEMA %I', extname, n.nspname) AS statement
		FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
		JOIN pg_available_extension_versions v ON v.name = e.extname AND v.version = e.extversion
		WHERE v.superuser AND NOT coalesce((to_jsonb(v)->>'trusted')::boolean, false)
		UNION ALL SELECT 2, 'pg_foreign_data_wrapper'::regclass, oid, 'FOREIGN DATA WRAPPER', quote_ident(fdwname),
			format('CREATE FOREIGN DATA WRAPPER %I%s%s', fdwname, ' HANDLER ' || nullif(fdwhandler, 0)::regproc, ' VALIDATOR ' || nullif(fdwvalidator, 0)::regproc)
		FROM pg_foreign_data_wrapper
		UNION ALL SELECT 3, 'pg_foreign_server'::regclass, s.oid, 'SERVER', quote_ident(srvname),
			format('CREATE SERVER %I FOREIGN DATA WRAPPER %I', srvname, fdwname)
		FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
		UNION ALL SELECT 4, 'pg_proc'::regclass, p.oid, 'FUNCTION', p.oid::regprocedure::text, pg_get_functiondef(p.oid)
		FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace n ON n.oid = p.pronamespace
		WHERE NOT l.lanpltrusted AND l.lanname <> 'sql' AND p.prokind IN ('f', 'p') AND ` + userNamespace + `
		UNION ALL SELECT 5, 'pg_event_trigger'::regclass, oid, 'EVENT TRIGGER', quote_ident(evtname),
			format('CREATE EVENT TRIGGER %I ON %s%s EXECUTE PROCEDURE %s()', evtname, evtevent,
				' WHEN TAG IN (' || (SELECT string_agg(quote_literal(tag), ', ') FROM unnest(evttags) tag) || ')', evtfoid::regproc)
		FROM pg_event_trigger
		UNION ALL SELECT 6, 'pg_publication'::regclass, oid, 'PUBLICATION', quote_ident(pubname), format('CREATE PUBLICATION %I FOR ALL TABLES', pubname)
		FROM pg_publication WHERE puballtables
	) o WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = o.class AND d.objid = o.id AND d.deptype = 'e')
	ORDER BY o.turn, o.name`

func adminObjects(ctx context.Context, conn *pgx.Conn) ([]adminObject, error) {
	rows, err := conn.Query(ctx, adminQuery)
	if err != nil {
		return nil, fmt.Errorf("objects of the administrator: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[adminObject])
}

// extensionsQuery names all extensions but that of every new database.
const extensionsQuery = `
	SELECT 'pg_catalog.pg_extension'::regclass::oid::bigint, e.oid::bigint, 'EXTENSION', quote_ident(extname),
		format('CREATE EXTENSION IF NOT EXISTS %I WITH SCHEMA %I', extname, n.nspname)
	FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE extname <> 'plpgsql' ORDER BY extname`

func extensions(ctx context.Context, conn *pgx.Conn) ([]adminObject, error) {
	rows, err := conn.Query(ctx, extensionsQuery)
	if err != nil {
		return nil, fmt.Errorf("extensions of the database: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[adminObject])
}

// recordedObjects are those that an artifact has recorded.
func recordedObjects(a providers.Artifact) []adminObject {
	var all []adminObject
	_ = json.Unmarshal([]byte(a.Facts[factAdminObjects]), &all) // what is not there is in no dump of this version
	return all
}

func isSuperuser(ctx context.Context, conn *pgx.Conn) (bool, error) {
	var super bool
	err := conn.QueryRow(ctx, "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user").Scan(&super)
	return super, err
}

// checkAdminObjects warns of what the role could not restore.
func (s *strategy) checkAdminObjects(ctx context.Context, conn *pgx.Conn, r *providers.Report) error {
	super, err := isSuperuser(ctx, conn)
	if err != nil || super {
		return err
	}
	objects, err := adminObjects(ctx, conn)
	if err == nil && len(objects) > 0 {
		r.Add(problem.Warn(forAdministrator, fmt.Sprintf("database %q holds %s: a restore by role %q leaves them out",
			s.cfg.Database, listed(objects), s.cfg.Username), "drop them if nobody needs them; before a restore bkp shows the statements that create them"))
	}
	return err
}

func listed(objects []adminObject) string {
	var all []string
	for _, o := range objects {
		all = append(all, o.String())
	}
	return database.List(all)
}

// notCreated are those of the artifact's objects that the target does not have
// and its role cannot create; present are those that it has.
func (t *target) notCreated(ctx context.Context, a providers.Artifact) (missing, present []adminObject, err error) {
	all := recordedObjects(a)
	if len(all) == 0 {
		return nil, nil, nil
	}
	super, err := isSuperuser(ctx, t.conn)
	if err != nil {
		return nil, nil, err
	}
	there := map[string]bool{}
	if t.exists {
		now, err := adminObjects(ctx, t.conn)
		if err != nil {
			return nil, nil, err
		}
		for _, o := range now {
			there[o.String()] = true
		}
	}
	for _, o := range all {
		switch {
		case there[o.String()]:
			present = append(present, o)
		case !super:
			missing = append(missing, o)
		}
	}
	return missing, present, nil
}

// statements are SQL for the administrator.
func statements(objects []adminObject) string {
	text := ""
	for _, o := range objects {
		text += "    " + strings.ReplaceAll(strings.TrimSpace(o.Statement), "\n", "\n    ") + ";\n"
	}
	return text
}

// warnNotCreated shows how the administrator can create what a restore leaves out.
func (s *strategy) warnNotCreated(missing []adminObject) *problem.Problem {
	return problem.Warn(forAdministrator, fmt.Sprintf("role %q cannot create %s: they are left out", s.cfg.Username, listed(missing)),
		fmt.Sprintf("as the server's administrator, in database %q; extensions before the restore if tables need them, the others after it:\n\n%s", s.cfg.Database, statements(missing)))
}

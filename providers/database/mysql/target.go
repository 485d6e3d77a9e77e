package mysql

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/database"
)

// target is the database into which a restore goes.
type target struct {
	s      *strategy
	conn   *session
	exists bool
	facts  facts
}

// openTarget connects, and refuses a database that holds something or that
// could not be created.
func (s *strategy) openTarget(ctx context.Context, a providers.Artifact) (*target, error) {
	conn, err := s.connect(ctx, "")
	if err != nil {
		return nil, err
	}
	t := &target{s: s, conn: conn}
	if err := t.look(ctx, a); err != nil {
		conn.close()
		return nil, err
	}
	return t, nil
}

func (t *target) look(ctx context.Context, a providers.Artifact) error {
	var err error
	if t.facts, err = t.conn.serverFacts(ctx); err != nil {
		return err
	}
	name := t.s.cfg.Database
	found, err := t.conn.names(ctx, `SELECT schema_name FROM information_schema.schemata WHERE schema_name = ?`, name)
	if err != nil {
		return err
	}
	if t.exists = len(found) > 0; !t.exists {
		held, err := t.conn.privileges(ctx, name, t.facts.version)
		if err != nil {
			return err
		}
		if len(held.missing("CREATE")) > 0 {
			account, err := t.conn.names(ctx, `SELECT CURRENT_USER()`)
			if err != nil {
				return err
			}
			return problem.New(cannotCreate, fmt.Sprintf("database %q does not exist, and account %q may not create it", name, t.s.cfg.Username),
				"create it as the server's administrator, and grant the account all privileges on it:\n\n    "+strings.Join(createdFor(name, account[0], a), ";\n    ")+"\n")
		}
		return nil
	}
	if err := t.conn.defaults(ctx, name, &t.facts); err != nil {
		return err
	}
	objects, err := t.objects(ctx)
	if err != nil {
		return err
	}
	if len(objects) == 0 {
		return nil
	}
	var held []string
	for _, o := range objects {
		held = append(held, strings.ToLower(o.kind)+" "+o.name)
	}
	return problem.New(targetNotEmpty, fmt.Sprintf("database %q holds %s", name, database.List(held)),
		"restore to another database, or drop this one first if nobody needs it")
}

// object is what a restore makes; kind is how SQL names it.
type object struct{ kind, name string }

const objectsQuery = `
	SELECT CASE table_type WHEN 'VIEW' THEN 'VIEW' WHEN 'SEQUENCE' THEN 'SEQUENCE' ELSE 'TABLE' END, table_name
		FROM information_schema.tables WHERE table_schema = ?
	UNION ALL SELECT routine_type, routine_name FROM information_schema.routines WHERE routine_schema = ?
	UNION ALL SELECT 'EVENT', event_name FROM information_schema.events WHERE event_schema = ?`

func (t *target) objects(ctx context.Context) ([]object, error) {
	name := t.s.cfg.Database
	rows, err := t.conn.conn.QueryContext(ctx, objectsQuery, name, name, name)
	if err != nil {
		return nil, fmt.Errorf("content of the target database: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out []object
	for rows.Next() {
		var o object
		if err := rows.Scan(&o.kind, &o.name); err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, rows.Err()
}

// createdFor are the statements with which an administrator creates the database as
// the backed up one was, for an account that may not.
func createdFor(name, account string, a providers.Artifact) []string {
	return []string{
		fmt.Sprintf("CREATE DATABASE %s CHARACTER SET %s COLLATE %s", quoteName(name),
			cmp.Or(a.Facts[factCharset], "utf8mb4"), cmp.Or(a.Facts[factCollation], "utf8mb4_bin")),
		fmt.Sprintf("GRANT ALL PRIVILEGES ON %s TO %s", wholeDatabase(name), quoteAccount(account)),
	}
}

// wholeDatabase names all of a database for GRANT, where _ and % are wildcards.
func wholeDatabase(name string) string {
	return quoteName(strings.NewReplacer(`_`, `\_`, `%`, `\%`).Replace(name)) + ".*"
}

// create makes the database as the backed up one was.
func (t *target) create(ctx context.Context, a providers.Artifact) error {
	statement := "CREATE DATABASE " + quoteName(t.s.cfg.Database) //nolint:gosec // identifiers have no placeholders; this one is quoted
	if c := a.Facts[factCharset]; c != "" {
		statement += " CHARACTER SET " + quoteName(c) + " COLLATE " + quoteName(a.Facts[factCollation])
	}
	_, err := t.conn.conn.ExecContext(ctx, statement)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return problem.Wrapf(err, cannotCreate, "create it first, empty, as the server's administrator", "database %q", t.s.cfg.Database)
	}
	return nil
}

// undo leaves the target as it was before the restore. It works on after the
// run was cancelled, on a connection of its own: the driver closes one whose
// context ended.
func (t *target) undo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	conn, err := t.s.connect(ctx, "")
	if err != nil {
		return err
	}
	t.conn.close()
	t.conn = conn
	if !t.exists {
		_, err := conn.conn.ExecContext(ctx, "DROP DATABASE IF EXISTS "+quoteName(t.s.cfg.Database))
		return err
	}
	objects, err := t.objects(ctx)
	if err != nil {
		return err
	}
	_, failed := conn.conn.ExecContext(ctx, "SET SESSION foreign_key_checks = 0")
	for _, o := range objects {
		_, err := conn.conn.ExecContext(ctx, "DROP "+o.kind+" IF EXISTS "+quoteName(t.s.cfg.Database)+"."+quoteName(o.name))
		failed = errors.Join(failed, err)
	}
	return failed
}

// Check implements providers.Restorer.
func (s restorer) Check(ctx context.Context, a providers.Artifact) (providers.Report, error) {
	var r providers.Report
	t, err := s.openTarget(ctx, a)
	if err != nil {
		return r, database.AddProblem(&r, err)
	}
	defer t.conn.close()
	client, finding := s.findTool(ctx, restoring(), t.facts.version)
	if finding != nil {
		r.Add(finding)
	}
	t.compare(a, &r)
	if p := t.tooSmall(a); p != nil {
		r.Add(p)
	}
	if p := t.bound(a); p != nil {
		r.Add(p)
	}
	foreign, err := t.conn.foreign(ctx, s.cfg.Database, t.facts.version, definersOf(a))
	if err != nil {
		return r, err
	}
	if len(foreign) > 0 {
		r.Add(problem.Warn(foreignDefiners, database.List(foreign),
			fmt.Sprintf("%q creates them in its own name; to keep the accounts, restore as the server's administrator", s.cfg.Username)))
	}
	left, err := t.differences(ctx, a)
	if err != nil {
		return r, err
	}
	for _, p := range left {
		r.Add(p)
	}
	r.Facts = map[string]string{factDatabase: s.cfg.Database, factServerVersion: t.facts.version.String()}
	verb := "restore"
	if !t.exists {
		verb = "create and restore"
	}
	r.Does = map[providers.Verb]string{providers.Restore: fmt.Sprintf("%s database %q with %s", verb, s.cfg.Database, client)}
	return r, nil
}

// compare warns of what the target's server may not take.
func (t *target) compare(a providers.Artifact, r *providers.Report) {
	was, err := parseFact(a.Facts[factServerVersion])
	switch here := t.facts.version; {
	case err != nil: // nothing to compare with
	case was.kind != here.kind:
		r.Add(problem.Warn(serverOther, fmt.Sprintf("%s, the backup is of %s", here, was), "restore to a server of the same kind, if this fails"))
	case here.series() < was.series():
		r.Add(problem.Warn(serverOlder, fmt.Sprintf("%s, the backup is of %s", here, was), "restore to a server of the same version or a newer one, if this fails"))
	}
	if packet, err := strconv.ParseInt(a.Facts[factPacket], 10, 64); err == nil && t.facts.packet < packet {
		r.Add(problem.Warn(packetSmaller, fmt.Sprintf("max_allowed_packet is %d, it was %d", t.facts.packet, packet),
			fmt.Sprintf("as the server's administrator:\n\n    SET GLOBAL max_allowed_packet = %d\n", packet)))
	}
}

// packetUnit is what a server rounds max_allowed_packet down to, in bytes.
const packetUnit = 1024

// packetFor is the max_allowed_packet that a statement needs, in bytes.
func packetFor(statement int64) int64 {
	return (statement/packetUnit + 2) * packetUnit // with its header
}

// tooSmall returns the problem of a server that would refuse the longest
// statement of the backup, nil if it takes it.
func (t *target) tooSmall(a providers.Artifact) *problem.Problem {
	longest, err := strconv.ParseInt(a.Facts[factLongest], 10, 64)
	if err != nil {
		return nil //nolint:nilerr // a foreign dump: the restore finds out
	}
	need := packetFor(longest)
	if t.facts.packet >= need {
		return nil
	}
	return problem.New(packetTooSmall, fmt.Sprintf("max_allowed_packet is %d, the longest statement of the backup has %d bytes", t.facts.packet, longest),
		fmt.Sprintf("as the server's administrator:\n\n    SET GLOBAL max_allowed_packet = %d\n\nthen restore again", need))
}

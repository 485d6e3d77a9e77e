package postgresql

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"bkp/internal/host"
	"bkp/internal/secret"
	"bkp/providers"
)

// providerRoles are those by which providers of servers give rights that
// PostgreSQL itself does not know.
var providerRoles = []string{"rds_superuser", "cloudsqlsuperuser", "azure_pg_admin", "alloydbsuperuser"}

// unused is a name for a scratch superuser that none of the roles has.
func unused(roles []string) string {
	name := "bkp"
	for n := 1; slices.Contains(roles, name); n++ {
		name = fmt.Sprintf("bkp_drill_%d", n)
	}
	return name
}

// names are those of all roles that the account or the database knows.
func (a account) names(roles []string) []string {
	all := append(slices.Clone(roles), a.Name)
	for _, r := range a.Roles {
		all = append(all, r.Name)
	}
	return all
}

// unlike takes note of what is not as in the real server.
func (r *rehearsal) unlike(sentence string) {
	if !slices.Contains(r.entries, sentence) {
		r.entries = append(r.entries, sentence)
	}
}

// compare takes note of what is known to be unlike a restore before it begins.
func (r *rehearsal) compare(a providers.Artifact, username string, known bool) {
	switch was := backedUp(a); {
	case was == 0:
		r.unlike("the backup does not say which version of PostgreSQL it comes from: make a new backup, and prove that")
	case was.major() != r.version.major():
		r.unlike(fmt.Sprintf("the backup is of PostgreSQL %s and was restored into %s: install the server of version %s on this machine (it need not run)",
			was, r.version, was.majorString()))
	}
	if !known {
		r.unlike("the backup was made by an earlier version of bkp and does not say what its role may do, so a superuser restored it: make a new backup, and prove that")
		return
	}
	if r.account.Login != username {
		r.unlike(fmt.Sprintf("the backup was made by role %q, with whose rights it was restored, and the configuration now names %q: make a new backup, and prove that",
			r.account.Login, username))
	}
	for _, m := range r.account.Members {
		if slices.Contains(providerRoles, m.Role) {
			r.unlike(fmt.Sprintf("what members of %q may do is known to the provider of the server alone: restore the backup on trial into another server of the provider's", m.Role))
		}
	}
}

// imitate gives the scratch server the roles, settings and tablespaces of the real
// one, and makes the restore log in as the account.
func (r *rehearsal) imitate(ctx context.Context, a providers.Artifact, known bool) error {
	conn, err := r.administrator(ctx, "postgres")
	if err != nil {
		return err
	}
	defer func() { _ = closeConn(ctx, conn) }()
	if err := r.createRoles(ctx, conn, a); err != nil {
		return err
	}
	if r.super = !known; known {
		r.logInAs(ctx, conn)
	}
	for _, t := range r.account.Tablespaces {
		r.createTablespace(ctx, conn, t)
	}
	return errors.Join(r.trouble, r.findAbsent(ctx, conn, a))
}

// administrator connects as the scratch server's superuser. Settings of the database
// and of all roles are for Bitbucket's work.
func (r *rehearsal) administrator(ctx context.Context, database string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(r.server.URL("postgres"))
	if err != nil {
		return nil, err
	}
	cfg.Database = database
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if _, err := conn.PgConn().Exec(ctx, noTimeouts+"; SET default_transaction_read_only = off").ReadAll(); err != nil {
		return nil, errors.Join(err, closeConn(ctx, conn))
	}
	return conn, nil
}

// attempt runs a statement as the administrator. What the server refuses is noted
// with what it is about; anything else that fails is kept as trouble.
func (r *rehearsal) attempt(ctx context.Context, conn *pgx.Conn, statement, about string) bool {
	_, err := conn.Exec(ctx, statement)
	var server *pgconn.PgError
	switch {
	case err == nil:
	case errors.As(err, &server) && !host.IsTrouble(err):
		r.unlike(about + ": " + server.Message)
	default:
		r.trouble = errors.Join(r.trouble, err)
	}
	return err == nil
}

// createRoles makes all roles that the backup names; those that every server has
// are there.
func (r *rehearsal) createRoles(ctx context.Context, conn *pgx.Conn, a providers.Artifact) error {
	there, err := names(ctx, conn, "SELECT rolname::text FROM pg_catalog.pg_roles")
	if err != nil {
		return err
	}
	roles, _ := artifactRoles(a)
	all := slices.Clone(r.account.Roles)
	for _, name := range roles {
		if !slices.ContainsFunc(all, func(x role) bool { return x.Name == name }) {
			all = append(all, role{Name: name, Inherit: true, Limit: -1})
		}
	}
	for _, x := range all {
		if !slices.Contains(there, x.Name) {
			r.attempt(ctx, conn, "CREATE ROLE "+pgx.Identifier{x.Name}.Sanitize()+x.attributes(),
				fmt.Sprintf("role %q cannot be created in the scratch server", x.Name))
		}
	}
	return nil
}

// logInAs lets the account log in with its rights and settings.
func (r *rehearsal) logInAs(ctx context.Context, conn *pgx.Conn) {
	for _, m := range r.account.Members {
		r.attempt(ctx, conn, m.statement(r.version), fmt.Sprintf("role %q cannot be a member of %q in the scratch server", m.Member, m.Role))
	}
	for _, x := range r.account.Settings {
		r.attempt(ctx, conn, x.ofRole(), fmt.Sprintf("the scratch server does not take the setting %s", x))
	}
	password := rand.Text()
	if !r.attempt(ctx, conn, "ALTER ROLE "+pgx.Identifier{r.account.Name}.Sanitize()+" LOGIN PASSWORD "+quoteLiteral(password),
		fmt.Sprintf("role %q cannot log in to the scratch server, so a superuser restored the backup", r.account.Name)) {
		r.super = true
		return
	}
	r.super = r.account.own().Super
	r.into.cfg.Username, r.into.cfg.Password = r.account.Name, secret.New(password)
}

// createTablespace makes a tablespace within the folder of the scratch server,
// which versions before 15 cannot.
func (r *rehearsal) createTablespace(ctx context.Context, conn *pgx.Conn, t tablespace) {
	about := fmt.Sprintf("tablespace %q cannot be created in the scratch server", t.Name)
	name := pgx.Identifier{t.Name}.Sanitize()
	if !r.attempt(ctx, conn, "SET allow_in_place_tablespaces = on", about) || !r.attempt(ctx, conn, "CREATE TABLESPACE "+name+" LOCATION ''", about) {
		return
	}
	if t.Create {
		r.attempt(ctx, conn, "GRANT CREATE ON TABLESPACE "+name+" TO "+pgx.Identifier{r.account.Name}.Sanitize(), about)
	}
}

// findAbsent looks for the extensions of the backup. One that is not installed is
// left out, so that the rest can be proven.
func (r *rehearsal) findAbsent(ctx context.Context, conn *pgx.Conn, a providers.Artifact) error {
	there, err := names(ctx, conn, "SELECT quote_ident(name) FROM pg_catalog.pg_available_extensions")
	if err != nil {
		return fmt.Errorf("extensions of the scratch server: %w", err)
	}
	var all []adminObject
	_ = json.Unmarshal([]byte(a.Facts[factExtensions]), &all) // a backup without the fact is of an earlier version, which is noted
	for _, o := range all {
		if !slices.Contains(there, o.Name) {
			r.into.absent = append(r.into.absent, o)
			r.unlike(fmt.Sprintf("extension %s is not installed for the scratch server of version %s, so it was left out: install it on this machine", o.Name, r.version.majorString()))
		}
	}
	return nil
}

// trial restores as the account, while an administrator does what a restore asks
// of one.
type trial struct {
	restorer
	r *rehearsal
}

// Restore implements providers.Restorer.
func (t trial) Restore(ctx context.Context, a providers.Artifact) error {
	later, err := t.before(ctx, a)
	if err != nil {
		return err
	}
	if err := t.restorer.Restore(ctx, a); err != nil {
		t.missesLibrary(err)
		return err
	}
	return t.administer(ctx, later)
}

// before does what comes before a restore: it creates the database, where the
// account may not or where extensions have to be in it first, and those. It
// returns what comes after the restore.
func (t trial) before(ctx context.Context, a providers.Artifact) (later []adminObject, err error) {
	if t.r.super {
		return nil, nil // the restore does all of it
	}
	var first []adminObject
	for _, o := range recordedObjects(a) {
		isAbsent := slices.ContainsFunc(t.absent, func(x adminObject) bool { return x.String() == o.String() })
		switch {
		case isAbsent:
		case o.Kind == "EXTENSION" && inNewDatabase(o):
			first = append(first, o)
		default:
			later = append(later, o)
		}
	}
	switch own := t.r.account.own(); {
	case !own.CreateDB:
		err = t.createAsAdministrator(ctx, a)
	case len(first) > 0:
		err = t.createEmpty(ctx, a)
	}
	if err != nil {
		return nil, err
	}
	return later, t.administer(ctx, first)
}

// inNewDatabase reports whether a new database has the schema of an extension; else
// the restore creates it, and the extension can only come after.
func inNewDatabase(extension adminObject) bool {
	return strings.HasSuffix(extension.Statement, " WITH SCHEMA public") || strings.HasSuffix(extension.Statement, " WITH SCHEMA pg_catalog")
}

// createEmpty creates the database as the restore would.
func (t trial) createEmpty(ctx context.Context, a providers.Artifact) error {
	target, err := t.openTarget(ctx, a)
	if err != nil {
		return err
	}
	defer target.close(ctx)
	return target.create(ctx, a)
}

// createAsAdministrator runs the statements that a restore shows where its role
// may not create the database.
func (t trial) createAsAdministrator(ctx context.Context, a providers.Artifact) error {
	conn, err := t.r.administrator(ctx, "postgres")
	if err != nil {
		return err
	}
	defer func() { _ = closeConn(ctx, conn) }()
	all := t.createdFor(a)
	_, err = conn.Exec(ctx, all[0])
	if locale := recordedProperties(a).locale(a); isLocale(err) && locale != "" {
		t.localeUnknown(a)
		_, err = conn.Exec(ctx, strings.TrimSuffix(all[0], locale))
	}
	if err != nil {
		return err
	}
	for _, statement := range all[1:] {
		t.r.attempt(ctx, conn, statement, "the scratch server does not take a setting of the database: "+statement)
	}
	return t.r.trouble
}

// administer runs the statements for the administrator in the database.
func (t trial) administer(ctx context.Context, objects []adminObject) error {
	if len(objects) == 0 {
		return nil
	}
	conn, err := t.r.administrator(ctx, t.cfg.Database)
	if err != nil {
		return err
	}
	defer func() { _ = closeConn(ctx, conn) }()
	for _, o := range objects {
		t.r.attempt(ctx, conn, o.Statement, fmt.Sprintf("the administrator's statement for %s fails in the scratch server: check whether what it needs is installed on this machine", o))
	}
	return t.r.trouble
}

// missesLibrary notes a restore that failed for want of files of a server. The
// scratch server speaks English.
func (t trial) missesLibrary(err error) {
	for _, words := range []string{"could not access file", "could not open extension control file", "could not load library"} {
		if strings.Contains(err.Error(), words) {
			t.r.unlike("the scratch server lacks a library that the backup needs: install it on this machine")
		}
	}
}

package mysql

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bkp/internal/host"
	"bkp/internal/secret"
	"bkp/providers"
)

// anyHost is the host of an account for connections from everywhere.
const anyHost = "@%"

// unused is a name for a scratch superuser that neither the account nor a definer
// has.
func unused(account string, definers map[string]string) string {
	taken := func(name string) bool {
		has := func(account string) bool { return strings.HasPrefix(account, name+"@") }
		return has(account) || slices.ContainsFunc(slices.Collect(maps.Values(definers)), has)
	}
	name := "bkp"
	for n := 1; taken(name); n++ {
		name = fmt.Sprintf("bkp_drill_%d", n)
	}
	return name
}

// unlike takes note of what is not as in the real server.
func (r *rehearsal) unlike(sentence string) {
	if !slices.Contains(r.entries, sentence) {
		r.entries = append(r.entries, sentence)
	}
}

// compare takes note of what is known to be unlike a restore before it begins.
func (r *rehearsal) compare(ctx context.Context, a providers.Artifact, username string, known bool) error {
	conn, err := r.into.connect(ctx, "")
	if err != nil {
		return err
	}
	defer conn.close()
	here, err := conn.serverFacts(ctx)
	if err != nil {
		return err
	}
	switch was, err := parseFact(a.Facts[factServerVersion]); {
	case err != nil:
		r.unlike("the backup does not say which version of the server it comes from: make a new backup, and prove that")
	case was.kind != here.version.kind || was.series() != here.version.series():
		r.unlike(fmt.Sprintf("the backup is of %s and was restored into %s: install the server of version %d.%d on this machine (it need not run)",
			was, here.version, was.major, was.minor))
	}
	switch {
	case !known:
		r.unlike("the backup was made by an earlier version of bkp and does not say what its account may do, so a superuser restored it: make a new backup, and prove that")
	case r.account.Login != username:
		r.unlike(fmt.Sprintf("the backup was made by account %q, with whose rights it was restored, and the configuration now names %q: make a new backup, and prove that",
			r.account.Login, username))
	}
	if value := r.account.Server[settingCase]; value != "" && value != "0" && value != "1" {
		r.unlike(fmt.Sprintf("%s is %s in the real server, which this system cannot have: restore the backup on trial into a server on a system like the real one's", settingCase, value))
	}
	return nil
}

// attempt runs a statement as the administrator. What the server refuses is noted
// with what it is about; anything else that fails is kept as trouble.
func (r *rehearsal) attempt(ctx context.Context, db *sql.DB, statement, about string) bool {
	_, err := db.ExecContext(ctx, statement)
	switch {
	case err == nil:
	case number(err) != 0 && !host.IsTrouble(err):
		r.unlike(about + ": " + reason(err))
	default:
		r.trouble = errors.Join(r.trouble, err)
	}
	return err == nil
}

// imitate gives the scratch server the settings and definers of the real one, and
// makes the restore log in as the account.
func (r *rehearsal) imitate(ctx context.Context, a providers.Artifact) error {
	db, err := r.server.Open("")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for _, name := range slices.Sorted(maps.Keys(r.account.Server)) {
		if value := r.account.Server[name]; name != settingBinlog && name != settingCase {
			r.attempt(ctx, db, "SET GLOBAL "+quoteName(name)+" = "+literal(value), fmt.Sprintf("the scratch server does not take the setting %s = %s", name, value))
		}
	}
	for _, definer := range r.account.Definers {
		r.attempt(ctx, db, "CREATE USER IF NOT EXISTS "+quoteAccount(definer), fmt.Sprintf("account %q cannot be created in the scratch server", definer))
	}
	return errors.Join(r.logInAs(ctx, db, definersOf(a)), r.trouble)
}

// logInAs lets the account log in with its rights. From this machine alone some
// accounts cannot; then one of the same name for every host takes its place.
func (r *rehearsal) logInAs(ctx context.Context, db *sql.DB, definers map[string]string) error {
	user := r.account.Name
	if at := strings.LastIndexByte(user, '@'); at >= 0 {
		user = user[:at]
	}
	cfg := r.into.cfg
	cfg.Username, cfg.Password = user, secret.New(rand.Text())
	for _, name := range []string{r.account.Name, user + anyHost} {
		if !r.attempt(ctx, db, "CREATE OR REPLACE USER "+quoteAccount(name)+" IDENTIFIED BY "+literal(cfg.Password.Reveal()),
			fmt.Sprintf("account %q cannot be created in the scratch server, so a superuser restored the backup", name)) {
			return nil
		}
		for _, g := range r.account.Grants {
			if g.On != "" {
				r.attempt(ctx, db, g.statement(name), fmt.Sprintf("the scratch server does not take a grant of account %q, %s on %s", name, g.Privileges, g.On))
			}
		}
		for _, cfg.Socket = range []string{"", r.server.Socket()} {
			if r.is(ctx, cfg, name) {
				r.into.cfg, r.as = cfg, name
				r.hostMatters(name, definers)
				return nil
			}
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r.unlike(fmt.Sprintf("account %q cannot log in to the scratch server, so a superuser restored the backup", r.account.Name))
	return nil
}

// is reports whether a connection is that of the account.
func (r *rehearsal) is(ctx context.Context, cfg Config, name string) bool {
	conn, err := newStrategy(cfg, r.into.env).dial(ctx, "")
	if err != nil {
		return false
	}
	defer conn.close()
	got, err := conn.names(ctx, `SELECT CURRENT_USER()`)
	return err == nil && got[0] == name
}

// hostMatters notes objects that act in the name of the account, if that has
// another host here.
func (r *rehearsal) hostMatters(name string, definers map[string]string) {
	own := objectsOf(definers, func(definer string) bool { return definer == r.account.Name })
	if name != r.account.Name && len(own) > 0 {
		r.unlike(fmt.Sprintf("account %q cannot log in from this machine, and %s act in its name: restore the backup on trial into another server, by that account",
			r.account.Name, strings.Join(own, ", ")))
	}
}

// literal writes a text for SQL.
func literal(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(text) + "'"
}

// trial restores as the account, while an administrator does what a restore asks
// of one.
type trial struct {
	restorer
	r *rehearsal
}

// Restore implements providers.Restorer.
func (t trial) Restore(ctx context.Context, a providers.Artifact) error {
	if t.r.as != "" {
		if err := t.before(ctx, a); err != nil {
			return err
		}
	}
	return t.restorer.Restore(ctx, a)
}

// before creates the database, if the account may not.
func (t trial) before(ctx context.Context, a providers.Artifact) error {
	conn, err := t.connect(ctx, "")
	if err != nil {
		return err
	}
	defer conn.close()
	f, err := conn.serverFacts(ctx)
	if err != nil {
		return err
	}
	held, err := conn.privileges(ctx, t.cfg.Database, f.version)
	if err != nil || len(held.missing("CREATE")) == 0 {
		return err
	}
	for _, statement := range createdFor(t.cfg.Database, t.r.as, a) {
		if err := t.r.server.Exec(ctx, "", statement); err != nil {
			return err
		}
	}
	return nil
}

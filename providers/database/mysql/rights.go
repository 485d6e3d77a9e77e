package mysql

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/database"
)

const rightsMissing = "accounts lack rights that they had on the backed up database"

// right is a privilege of one account on a database, or on a part of it.
type right struct {
	User string `json:"user"`
	// Host is "" for a role of MariaDB.
	Host string `json:"host,omitempty"`
	// Kind is TABLE, PROCEDURE or FUNCTION, "" for the database as a whole.
	Kind string `json:"kind,omitempty"`
	// Name of the table or routine, Column of the table's column; "" for none.
	Name      string `json:"name,omitempty"`
	Column    string `json:"column,omitempty"`
	Privilege string `json:"privilege"`
	// Option is set where the account may grant it to others.
	Option bool `json:"grant_option,omitempty"`
}

// rightsQuery names the rights on all databases, on those that a pattern names and
// on parts of one. An account that may not read the schema mysql sees its own.
const rightsQuery = `
	SELECT grantee, '*.*', '' AS kind, '' AS name, '' AS col, privilege_type, is_grantable FROM information_schema.user_privileges
	UNION ALL SELECT grantee, table_schema, '', '', '', privilege_type, is_grantable FROM information_schema.schema_privileges
	UNION ALL SELECT grantee, table_schema, 'TABLE', table_name, '', privilege_type, is_grantable FROM information_schema.table_privileges WHERE table_schema = ?
	UNION ALL SELECT grantee, table_schema, 'TABLE', table_name, column_name, privilege_type, is_grantable FROM information_schema.column_privileges WHERE table_schema = ?`

// routineRightsQuery is for accounts that may read the schema mysql.
const routineRightsQuery = `
	SELECT CONCAT('''', user, '''@''', host, ''''), db, UPPER(routine_type), routine_name, '', UPPER(proc_priv), 'NO' FROM mysql.procs_priv WHERE db = ?`

// rights returns who may do what with a database; everywhere are those who may
// with any.
func (s *session) rights(ctx context.Context, name string, v version) (here, everywhere []right, err error) {
	held, err := s.privileges(ctx, "mysql", v)
	if err != nil {
		return nil, nil, err
	}
	query, args := rightsQuery, []any{name, name}
	if len(held.missing("SELECT")) == 0 {
		query, args = query+" UNION ALL "+routineRightsQuery, append(args, name)
	}
	rows, err := s.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, nil, fmt.Errorf("rights on the database: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var grantee, pattern, grantable string
		var r right
		if err := rows.Scan(&grantee, &pattern, &r.Kind, &r.Name, &r.Column, &r.Privilege, &grantable); err != nil {
			return nil, nil, err
		}
		r.User, r.Host = parseGrantee(grantee)
		r.Option = grantable == "YES"
		switch {
		case pattern == everyDatabase:
			everywhere = append(everywhere, r)
		case r.Kind != "" || matches(pattern, name):
			here = append(here, r.each()...)
		}
	}
	return here, everywhere, rows.Err()
}

// each takes apart the list of privileges that the server keeps of a routine.
func (r right) each() []right {
	list := strings.Split(r.Privilege, ",")
	r.Option = r.Option || slices.Contains(list, "GRANT")
	var out []right
	for _, p := range list {
		if r.Privilege = p; p != "GRANT" && p != "USAGE" {
			out = append(out, r)
		}
	}
	return out
}

// parseGrantee reads 'user'@'host', in which the server escapes nothing. No host
// holds a quote.
func parseGrantee(text string) (user, host string) {
	text = strings.TrimSuffix(strings.TrimPrefix(text, "'"), "'")
	at := strings.LastIndex(text, "'@'")
	if at < 0 {
		return text, ""
	}
	return text[:at], text[at+len("'@'"):]
}

// gives reports whether r includes all of the other.
func (r right) gives(other right) bool {
	return r.User == other.User && r.Host == other.Host && r.Privilege == other.Privilege && (r.Option || !other.Option) &&
		(r.Kind == "" || r.Kind == other.Kind && r.Name == other.Name && (r.Column == "" || r.Column == other.Column))
}

// account is whom the right belongs to, as SQL writes it.
func (r right) account() string {
	switch {
	case r.Host == "" && r.User == "PUBLIC":
		return r.User
	case r.Host == "":
		return quoteName(r.User)
	default:
		return quoteName(r.User) + "@" + quoteName(r.Host)
	}
}

// scope is what the right is for in a database, as SQL writes it.
func (r right) scope(database string) string {
	if r.Kind == "" { // where _ and % stand for any
		return quoteName(strings.NewReplacer(`_`, `\_`, `%`, `\%`).Replace(database)) + ".*"
	}
	return r.Kind + " " + quoteName(database) + "." + quoteName(r.Name)
}

// grants are the statements that give the rights on a database.
func grants(rights []right, database string) []string {
	given := map[string][]string{}
	for _, r := range rights {
		end := " ON " + r.scope(database) + " TO " + r.account()
		if r.Option {
			end += " WITH GRANT OPTION"
		}
		privilege := r.Privilege
		if r.Column != "" {
			privilege += " (" + quoteName(r.Column) + ")"
		}
		if !slices.Contains(given[end], privilege) {
			given[end] = append(given[end], privilege)
		}
	}
	var out []string
	for _, end := range slices.Sorted(maps.Keys(given)) {
		out = append(out, "GRANT "+strings.Join(given[end], ", ")+end)
	}
	return out
}

// rightsMissing compares the rights on the target with those on the database that
// was backed up. They are given to nobody without being asked for: an account of
// that name may be somebody else's here. It returns nil where none are missing.
func (t *target) rightsMissing(ctx context.Context, a providers.Artifact) (*problem.Problem, error) {
	var recorded []right
	if json.Unmarshal([]byte(a.Facts[factRights]), &recorded) != nil || t.s.scratch {
		return nil, nil //nolint:nilerr // a foreign dump
	}
	name := t.s.cfg.Database
	here, everywhere, err := t.conn.rights(ctx, name, t.facts.version)
	if err != nil {
		return nil, err
	}
	held := append(here, everywhere...)
	missing := slices.DeleteFunc(recorded, func(r right) bool {
		return slices.ContainsFunc(held, func(h right) bool { return h.gives(r) })
	})
	if len(missing) == 0 {
		return nil, nil
	}
	var accounts []string
	for _, r := range missing {
		accounts = append(accounts, r.account())
	}
	slices.Sort(accounts)
	return problem.Warn(rightsMissing,
		fmt.Sprintf("%s on database %q, as far as account %q sees", database.List(slices.Compact(accounts)), name, t.s.cfg.Username),
		"create accounts that do not exist, then grant after the restore, as the server's administrator, what they still need:\n\n    "+
			strings.Join(grants(missing, name), ";\n    ")+";\n"), nil
}

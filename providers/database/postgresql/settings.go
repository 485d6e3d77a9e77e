package postgresql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"bkp/internal/problem"
	"bkp/providers"
)

// Summaries of what became of the database's own properties, which pg_dump
// leaves out of a dump of its content.
const (
	settingsDiffer = "settings of the target database differ"
	tablesHidden   = "Bitbucket would not find its tables"
)

// properties belong to the database itself.
type properties struct {
	// Provider is libc, icu or builtin; Locale and Rules are those of the latter two.
	Provider string `json:"provider,omitempty"`
	Locale   string `json:"locale,omitempty"`
	Rules    string `json:"rules,omitempty"`
	// Settings are of ALTER DATABASE SET and ALTER ROLE IN DATABASE SET.
	Settings []setting `json:"settings,omitempty"`
	// Grants are nil where nobody has changed the default.
	Grants []grant `json:"grants,omitempty"`
	// Repository is the schema in which the role finds Bitbucket's table of
	// repositories, SearchPath by what; "" if it does not.
	Repository string `json:"repository_schema,omitempty"`
	SearchPath string `json:"search_path"`
}

type setting struct {
	Role  string `json:"role,omitempty"` // "" is every role
	Name  string `json:"name"`
	Value string `json:"value"`
}

type grant struct {
	Role      string `json:"role,omitempty"` // "" is PUBLIC
	Privilege string `json:"privilege"`
	Option    bool   `json:"grant_option,omitempty"`
}

// propertiesQuery gives them as JSON: which columns there are depends on the
// server's version.
const propertiesQuery = `
	SELECT jsonb_strip_nulls(jsonb_build_object(
		'provider', CASE to_jsonb(d)->>'datlocprovider' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' WHEN 'c' THEN 'libc' END,
		'locale', coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale'), 'rules', to_jsonb(d)->>'daticurules',
		'settings', (SELECT jsonb_agg(jsonb_build_object('role', coalesce(r.rolname, ''),
				'name', split_part(c, '=', 1), 'value', substr(c, strpos(c, '=') + 1)) ORDER BY r.rolname, c)
			FROM pg_catalog.pg_db_role_setting x CROSS JOIN unnest(x.setconfig) c LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.setrole WHERE x.setdatabase = d.oid),
		'grants', (SELECT jsonb_agg(jsonb_build_object('role', coalesce(r.rolname, ''), 'privilege', x.privilege_type, 'grant_option', x.is_grantable)
				ORDER BY r.rolname, x.privilege_type)
			FROM aclexplode(d.datacl) x LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantee WHERE x.grantee <> d.datdba),
		'repository_schema', (SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
			WHERE c.oid = to_regclass('repository')),
		'search_path', current_setting('search_path')))::text
	FROM pg_catalog.pg_database d WHERE d.datname = current_database()`

func readProperties(ctx context.Context, conn *pgx.Conn) (properties, error) {
	var p properties
	var text string
	if err := conn.QueryRow(ctx, propertiesQuery).Scan(&text); err != nil {
		return p, fmt.Errorf("settings of the database: %w", err)
	}
	return p, json.Unmarshal([]byte(text), &p)
}

// recordedProperties are those that an artifact has recorded.
func recordedProperties(a providers.Artifact) properties {
	var p properties
	_ = json.Unmarshal([]byte(a.Facts[factProperties]), &p) // an artifact without them has nothing to set again
	return p
}

// locale is the end of CREATE DATABASE, for a database that sorts as the one
// that was backed up.
func (p properties) locale(a providers.Artifact) string {
	text := ""
	if c := a.Facts[factCollate]; c != "" {
		text = " LC_COLLATE " + quoteLiteral(c) + " LC_CTYPE " + quoteLiteral(a.Facts[factCtype])
	}
	switch p.Provider {
	case "icu":
		text += " LOCALE_PROVIDER icu ICU_LOCALE " + quoteLiteral(p.Locale)
		if p.Rules != "" {
			text += " ICU_RULES " + quoteLiteral(p.Rules)
		}
	case "builtin":
		text += " LOCALE_PROVIDER builtin BUILTIN_LOCALE " + quoteLiteral(p.Locale)
	}
	return text
}

// statement sets x again in a database. The value goes by set_config, so that
// nothing has to be quoted as the kind of each setting wants it.
func (x setting) statement(database string) string {
	on := "ALTER DATABASE " + pgx.Identifier{database}.Sanitize()
	if x.Role != "" {
		on = "ALTER ROLE " + pgx.Identifier{x.Role}.Sanitize() + " IN DATABASE " + pgx.Identifier{database}.Sanitize()
	}
	return on + " SET " + pgx.Identifier(strings.Split(x.Name, ".")).Sanitize() + " FROM CURRENT"
}

func (x setting) String() string {
	if x.Role != "" {
		return fmt.Sprintf("%s = %s of role %q", x.Name, x.Value, x.Role)
	}
	return x.Name + " = " + x.Value
}

// setAgain gives a database that was created the settings and grants of the one
// that was backed up. What the role may not set is reported, and no reason to
// lose a restore.
func (t *target) setAgain(ctx context.Context, p properties) {
	database := t.s.cfg.Database
	for _, x := range p.Settings {
		_, err := t.conn.Exec(ctx, "SELECT pg_catalog.set_config($1, $2, false)", x.Name, x.Value)
		if err == nil {
			_, err = t.conn.Exec(ctx, x.statement(database))
			_, errReset := t.conn.Exec(ctx, "RESET "+pgx.Identifier(strings.Split(x.Name, ".")).Sanitize())
			err = errors.Join(err, errReset)
		}
		if err != nil {
			t.s.env.Warning(fmt.Sprintf("setting of database %q is not restored: %s: %v", database, x, err))
		}
	}
	for _, statement := range p.grantStatements(database) {
		if _, err := t.conn.Exec(ctx, statement); err != nil {
			t.s.env.Warning(fmt.Sprintf("privilege on database %q is not restored: %s: %v", database, statement, err))
		}
	}
}

// grantStatements give a database its grants again; none where nobody has changed
// the default.
func (p properties) grantStatements(database string) []string {
	if p.Grants == nil {
		return nil
	}
	name := pgx.Identifier{database}.Sanitize()
	all := []string{"REVOKE ALL ON DATABASE " + name + " FROM PUBLIC"}
	for _, g := range p.Grants {
		to, option := "PUBLIC", ""
		if g.Role != "" {
			to = pgx.Identifier{g.Role}.Sanitize()
		}
		if g.Option {
			option = " WITH GRANT OPTION"
		}
		if g.Privilege == "CONNECT" || g.Privilege == "CREATE" || g.Privilege == "TEMPORARY" {
			all = append(all, "GRANT "+g.Privilege+" ON DATABASE "+name+" TO "+to+option)
		}
	}
	return all
}

// differences compares an existing target with the database that was backed up.
func (t *target) differences(ctx context.Context, a providers.Artifact) (*problem.Problem, error) {
	was := recordedProperties(a)
	if !t.exists || was.SearchPath == "" {
		return nil, nil
	}
	is, err := readProperties(ctx, t.conn)
	if err != nil {
		return nil, err
	}
	f, err := databaseFacts(ctx, t.conn)
	if err != nil {
		return nil, err
	}
	var all []string
	note := func(what, was, is string) {
		if was != is && was != "" {
			all = append(all, fmt.Sprintf("%s is %q, that of the backup %q", what, is, was))
		}
	}
	note("search_path", was.SearchPath, is.SearchPath)
	note("encoding", a.Facts[factEncoding], f.encoding)
	note("LC_COLLATE", a.Facts[factCollate], f.collate)
	note("LC_CTYPE", a.Facts[factCtype], f.ctype)
	note("locale provider", was.Provider, is.Provider)
	note("locale of the provider", was.Locale, is.Locale)
	note("settings", fmt.Sprint(was.Settings), fmt.Sprint(is.Settings))
	note("grants", fmt.Sprint(was.Grants), fmt.Sprint(is.Grants))
	if len(all) == 0 {
		return nil, nil
	}
	return problem.Warn(settingsDiffer, strings.Join(all, "; "), "correct them with ALTER DATABASE, or let the restore create the database"), nil
}

// tablesFound looks for Bitbucket's tables as its role will.
func (s *strategy) tablesFound(ctx context.Context, a providers.Artifact) error {
	was := recordedProperties(a)
	if was.Repository == "" {
		return nil
	}
	conn, err := s.connect(ctx, s.cfg.Database)
	if err != nil {
		return err
	}
	defer func() { _ = closeConn(ctx, conn) }()
	is, err := readProperties(ctx, conn)
	if err == nil && is.Repository == "" {
		return problem.New(tablesHidden, fmt.Sprintf("database %q is restored, but its search_path %s leads to no table repository; it is in schema %q",
			s.cfg.Database, is.SearchPath, was.Repository), fmt.Sprintf("before Bitbucket starts, as the owner of the database:\n\n    ALTER DATABASE %s SET search_path = %s\n",
			pgx.Identifier{s.cfg.Database}.Sanitize(), was.SearchPath))
	}
	return err
}

package postgresql

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"bkp/providers"
)

// account is the role that bkp logs in as, with all that decides what it may
// restore: what a drill imitates.
type account struct {
	// Name is the role's in the server, Login that of the configuration, which a
	// proxy may replace.
	Name  string `json:"name"`
	Login string `json:"login,omitempty"`
	// Roles are the account itself, the roles that it is a member of, and those
	// that something in the database names.
	Roles []role `json:"roles"`
	// Members are the memberships through which the account gets rights.
	Members []membership `json:"members,omitempty"`
	// Settings are of ALTER ROLE SET in every database: those of the account,
	// and with no role those of all.
	Settings []setting `json:"settings,omitempty"`
	// Server are settings of the server's configuration.
	Server []setting `json:"server,omitempty"`
	// Tablespaces are those that the server was given.
	Tablespaces []tablespace `json:"tablespaces,omitempty"`
}

// role is a row of pg_roles; Limit is how many sessions it may open, -1 for any
// number.
type role struct {
	Name        string `json:"name"`
	Super       bool   `json:"super"`
	CreateDB    bool   `json:"createdb"`
	CreateRole  bool   `json:"createrole"`
	Inherit     bool   `json:"inherit"`
	Replication bool   `json:"replication"`
	BypassRLS   bool   `json:"bypassrls"`
	Limit       int    `json:"limit"`
}

// membership is a row of pg_auth_members. Inherit and Set are nil where the
// server is older than version 16.
type membership struct {
	Role    string `json:"role"`
	Member  string `json:"member"`
	Admin   bool   `json:"admin"`
	Inherit *bool  `json:"inherit"`
	Set     *bool  `json:"set"`
}

type tablespace struct {
	Name string `json:"name"`
	// Create is true if the account may create tables in it.
	Create bool `json:"create"`
}

// accountQuery gives it as JSON: which columns there are depends on the server's
// version. The role with the id 10 made the cluster, and owns much without a
// dependency.
const accountQuery = `
	WITH RECURSIVE d AS (SELECT oid, datacl FROM pg_catalog.pg_database WHERE datname = current_database()),
	me AS (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user),
	groups(oid) AS (SELECT oid FROM me UNION SELECT x.roleid FROM groups g JOIN pg_catalog.pg_auth_members x ON x.member = g.oid),
	named(oid) AS (
		SELECT oid FROM groups UNION SELECT 10
		UNION SELECT x.refobjid FROM d JOIN pg_catalog.pg_shdepend x ON x.dbid = d.oid AND x.refclassid = 'pg_catalog.pg_authid'::regclass
		UNION SELECT x.setrole FROM d JOIN pg_catalog.pg_db_role_setting x ON x.setdatabase = d.oid
		UNION SELECT x.grantee FROM d, aclexplode(d.datacl) x)
	SELECT jsonb_strip_nulls(jsonb_build_object(
		'name', session_user,
		'roles', (SELECT jsonb_agg(jsonb_build_object('name', rolname, 'super', rolsuper, 'createdb', rolcreatedb, 'createrole', rolcreaterole,
				'inherit', rolinherit, 'replication', rolreplication, 'bypassrls', rolbypassrls, 'limit', rolconnlimit) ORDER BY rolname)
			FROM pg_catalog.pg_roles WHERE oid IN (SELECT oid FROM named)),
		'members', (SELECT jsonb_agg(jsonb_build_object('role', r.rolname, 'member', m.rolname, 'admin', x.admin_option,
				'inherit', to_jsonb(x)->'inherit_option', 'set', to_jsonb(x)->'set_option') ORDER BY r.rolname, m.rolname)
			FROM pg_catalog.pg_auth_members x JOIN pg_catalog.pg_roles r ON r.oid = x.roleid JOIN pg_catalog.pg_roles m ON m.oid = x.member
			WHERE x.member IN (SELECT oid FROM groups)),
		'settings', (SELECT jsonb_agg(jsonb_build_object('role', coalesce(r.rolname, ''),
				'name', split_part(c, '=', 1), 'value', substr(c, strpos(c, '=') + 1)) ORDER BY r.rolname, c)
			FROM pg_catalog.pg_db_role_setting x CROSS JOIN unnest(x.setconfig) c LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.setrole
			WHERE x.setdatabase = 0 AND (x.setrole = 0 OR x.setrole IN (SELECT oid FROM me))),
		'server', (SELECT jsonb_agg(jsonb_build_object('name', name, 'value', setting) ORDER BY name)
			FROM pg_catalog.pg_settings WHERE name = 'search_path' AND source IN ('configuration file', 'command line')),
		'tablespaces', (SELECT jsonb_agg(jsonb_build_object('name', spcname, 'create', has_tablespace_privilege(session_user, oid, 'CREATE')) ORDER BY spcname)
			FROM pg_catalog.pg_tablespace WHERE spcname !~ '^pg_')))::text`

func readAccount(ctx context.Context, conn *pgx.Conn) (account, error) {
	var a account
	var text string
	if err := conn.QueryRow(ctx, accountQuery).Scan(&text); err != nil {
		return a, fmt.Errorf("rights of the role: %w", err)
	}
	return a, json.Unmarshal([]byte(text), &a)
}

// recordedAccount is that of an artifact; known is false for one of an earlier
// version of bkp.
func recordedAccount(a providers.Artifact) (acc account, known bool) {
	err := json.Unmarshal([]byte(a.Facts[factAccount]), &acc)
	return acc, err == nil && acc.Name != ""
}

// own is the role that the account is.
func (a account) own() role {
	if i := slices.IndexFunc(a.Roles, func(r role) bool { return r.Name == a.Name }); i >= 0 {
		return a.Roles[i]
	}
	return role{Name: a.Name, Limit: -1}
}

// attributes are r's own rights as CREATE ROLE and ALTER ROLE take them.
func (r role) attributes() string {
	text := ""
	for _, x := range []struct {
		name string
		on   bool
	}{
		{"SUPERUSER", r.Super}, {"CREATEDB", r.CreateDB}, {"CREATEROLE", r.CreateRole},
		{"INHERIT", r.Inherit}, {"REPLICATION", r.Replication}, {"BYPASSRLS", r.BypassRLS},
	} {
		if !x.on {
			x.name = "NO" + x.name
		}
		text += " " + x.name
	}
	return text + fmt.Sprintf(" CONNECTION LIMIT %d", r.Limit)
}

// statement grants m again, to a server of a version.
func (m membership) statement(on version) string {
	text := "GRANT " + pgx.Identifier{m.Role}.Sanitize() + " TO " + pgx.Identifier{m.Member}.Sanitize()
	if on < withGrantOptions || m.Inherit == nil || m.Set == nil {
		if m.Admin {
			text += " WITH ADMIN OPTION"
		}
		return text
	}
	return text + strings.ToUpper(fmt.Sprintf(" WITH ADMIN %t, INHERIT %t, SET %t", m.Admin, *m.Inherit, *m.Set))
}

// withGrantOptions is the first version in which a membership may leave out
// rights.
const withGrantOptions version = 160000

// lists are the settings whose value is a list of quoted names already.
var lists = []string{"search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries"}

// literal is the end of a SET of x, as pg_dumpall writes it.
func (x setting) literal() string {
	value := quoteLiteral(x.Value)
	if strings.Contains(x.Value, `\`) {
		value = "E" + strings.ReplaceAll(value, `\`, `\\`)
	}
	if slices.Contains(lists, strings.ToLower(x.Name)) && x.Value != "" {
		value = x.Value
	}
	return " SET " + pgx.Identifier(strings.Split(x.Name, ".")).Sanitize() + " TO " + value
}

// ofRole sets x for its role, or for all, in every database.
func (x setting) ofRole() string {
	if x.Role == "" {
		return "ALTER ROLE ALL" + x.literal()
	}
	return "ALTER ROLE " + pgx.Identifier{x.Role}.Sanitize() + x.literal()
}

package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// facts is what the server reports about itself and a database.
type facts struct {
	version version
	// server distinguishes one server from another.
	server   string
	readOnly bool
	// packet is the longest statement that the server takes, in bytes.
	packet int64
	// mode is the sql_mode of new sessions.
	mode string
	// charset and collation are the database's defaults.
	charset, collation string
	// definers are the accounts in whose name views, triggers, routines and
	// events act, by object.
	definers map[string]string
	// boundViews fit no database of another name.
	boundViews []string
	// counts are the numbers of tables, views and so on, by kind.
	counts map[string]int
	// account is the one that reads the database.
	account account
	// rights on the database itself and on parts of it.
	rights []right
}

func (s *session) facts(ctx context.Context, database string) (facts, error) {
	f, err := s.serverFacts(ctx)
	if err != nil {
		return f, err
	}
	if err := s.defaults(ctx, database, &f); err != nil {
		return f, err
	}
	if f.definers, err = s.readDefiners(ctx, database); err != nil {
		return f, err
	}
	if f.boundViews, err = s.boundViews(ctx, database, f.definers); err != nil {
		return f, err
	}
	if f.rights, _, err = s.rights(ctx, database, f.version); err != nil {
		return f, err
	}
	if f.counts, err = s.counts(ctx, database); err != nil {
		return f, err
	}
	f.account, err = s.readAccount(ctx, database, f)
	return f, err
}

// defaults reads the character set and collation of a database's new tables.
func (s *session) defaults(ctx context.Context, database string, f *facts) error {
	row := s.conn.QueryRowContext(ctx, `SELECT default_character_set_name, default_collation_name
		FROM information_schema.schemata WHERE schema_name = ?`, database)
	if err := row.Scan(&f.charset, &f.collation); err != nil {
		return fmt.Errorf("facts of the database: %w", err)
	}
	return nil
}

func (s *session) serverFacts(ctx context.Context) (facts, error) {
	var f facts
	var text, comment, host string
	var port int
	row := s.conn.QueryRowContext(ctx, `SELECT @@version, @@version_comment, @@hostname, @@port, @@global.read_only, @@global.max_allowed_packet, @@global.sql_mode`)
	if err := row.Scan(&text, &comment, &host, &port, &f.readOnly, &f.packet, &f.mode); err != nil {
		return f, fmt.Errorf("facts of the server: %w", err)
	}
	var err error
	if f.version, err = parseServer(text, comment); err != nil {
		return f, err
	}
	f.server = net.JoinHostPort(host, strconv.Itoa(port))
	if f.version.kind == kindMySQL {
		err = s.conn.QueryRowContext(ctx, `SELECT @@server_uuid`).Scan(&f.server)
	}
	return f, err
}

// names runs a query whose rows are single texts.
func (s *session) names(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := s.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var name sql.NullString
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		out = append(out, name.String)
	}
	return out, rows.Err()
}

// baseTables holds for what has rows. The next value of a sequence belongs to
// no transaction in any engine; one that is too high is as good.
const baseTables = `table_type NOT IN ('VIEW', 'SYSTEM VIEW', 'SEQUENCE')`

// outsideSnapshotQuery names the tables whose rows no snapshot holds, with
// their engine. A table that cannot be opened has none.
const outsideSnapshotQuery = `
	SELECT CONCAT(table_name, ' (', COALESCE(engine, 'cannot be opened'), ')') FROM information_schema.tables
	WHERE table_schema = ? AND ` + baseTables + ` AND COALESCE(engine, '') <> 'InnoDB' ORDER BY 1`

// size adds up the data without indexes, which no dump holds.
func (s *session) size(ctx context.Context, database string, v version) (int64, error) {
	if v.kind == kindMySQL && v.major >= 8 {
		// MySQL answers with what it knew up to a day ago.
		if _, err := s.conn.ExecContext(ctx, `SET SESSION information_schema_stats_expiry = 0`); err != nil {
			return 0, err
		}
	}
	var bytes int64
	err := s.conn.QueryRowContext(ctx, `SELECT COALESCE(SUM(data_length), 0) FROM information_schema.tables
		WHERE table_schema = ? AND `+baseTables, database).Scan(&bytes)
	return bytes, err
}

// privileges are what the account may do with a database as a whole, and with
// all of them.
type privileges struct{ here, everywhere map[string]bool }

const allPrivileges = "ALL PRIVILEGES"

// missing names those of the wanted that are not held.
func (p privileges) missing(wanted ...string) []string {
	var out []string
	for _, w := range wanted {
		if !p.here[w] && !p.here[allPrivileges] {
			out = append(out, w)
		}
	}
	return out
}

func (s *session) privileges(ctx context.Context, database string, v version) (privileges, error) {
	out := privileges{here: map[string]bool{}, everywhere: map[string]bool{}}
	lines, err := s.showGrants(ctx, v)
	if err != nil {
		return out, err
	}
	for _, line := range lines {
		granted, on := parseGrant(line)
		for _, g := range granted {
			out.everywhere[g] = out.everywhere[g] || on == everyDatabase
			out.here[g] = out.here[g] || on == everyDatabase || matches(on, database)
		}
	}
	return out, nil
}

// showGrants returns the statements that the server shows of the session's rights.
func (s *session) showGrants(ctx context.Context, v version) ([]string, error) {
	query := "SHOW GRANTS"
	if v.kind == kindMySQL && v.major >= 8 {
		// Without its name, MySQL leaves out what a role gives.
		var roles string
		if err := s.conn.QueryRowContext(ctx, `SELECT CURRENT_ROLE()`).Scan(&roles); err != nil {
			return nil, err
		}
		if roles != "NONE" && roles != "" {
			query = "SHOW GRANTS FOR CURRENT_USER() USING " + roles // quoted by the server
		}
	}
	return s.names(ctx, query)
}

// everyDatabase is no name that a database can have.
const everyDatabase = "*.*"

// parseGrant takes a line of SHOW GRANTS apart: GRANT a, b ON `name`.* TO. It
// returns the name of the database as it stands there, everyDatabase for all
// of them, and "" where the grant is not for a whole database.
func parseGrant(line string) (granted []string, on string) {
	rest, ok := strings.CutPrefix(line, "GRANT ")
	list, rest, found := strings.Cut(rest, " ON ")
	if !ok || !found {
		return nil, "" // a role, or PROXY
	}
	granted = strings.Split(list, ", ")
	if strings.HasPrefix(rest, "*.* ") {
		return granted, everyDatabase
	}
	if !strings.HasPrefix(rest, "`") {
		return nil, ""
	}
	var name strings.Builder
	for i := 1; i < len(rest); i++ {
		if rest[i] != '`' {
			name.WriteByte(rest[i])
			continue
		}
		if strings.HasPrefix(rest[i:], "``") {
			name.WriteByte('`')
			i++
			continue
		}
		if strings.HasPrefix(rest[i:], "`.* ") {
			return granted, name.String()
		}
		return nil, ""
	}
	return nil, ""
}

// matches reports whether the name in a grant, in which _ and % are wildcards
// and \ takes that from them, is that of the database.
func matches(pattern, name string) bool {
	if pattern == "" {
		return name == ""
	}
	switch {
	case pattern[0] == '%':
		return matches(pattern[1:], name) || name != "" && matches(pattern, name[1:])
	case name == "":
		return false
	case pattern[0] == '\\' && len(pattern) > 1:
		return pattern[1] == name[0] && matches(pattern[2:], name[1:])
	case pattern[0] == '_' || pattern[0] == name[0]:
		return matches(pattern[1:], name[1:])
	default:
		return false
	}
}

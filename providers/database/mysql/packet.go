package mysql

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/database"
)

const (
	longRows = "rows may be too long to be restored"
	// longRowsTimeout bounds how long a check may look for long rows. What it
	// does not find in it, the length of the last dump's statements shows.
	longRowsTimeout = 5 * time.Second
	// scratchPacket is what a scratch server takes: the most that there is.
	scratchPacket = 1 << 30
)

// Error numbers of a statement that took longer than it may.
const (
	errTimeoutMariaDB = 1969
	errTimeoutMySQL   = 3024
)

// largeColumnsQuery names the columns that may hold more than half a packet, with
// their tables, where all rows together do.
const largeColumnsQuery = `
	SELECT c.table_name, c.column_name FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
	WHERE c.table_schema = ? AND c.data_type IN ('mediumblob', 'longblob', 'mediumtext', 'longtext', 'json')
		AND t.` + baseTables + ` AND COALESCE(t.data_length, 0) > ? ORDER BY t.data_length, c.table_name`

// checkRows warns of rows of more than half a packet: the dump writes a byte of a
// BLOB as two, and may escape each of a text.
func (s *strategy) checkRows(ctx context.Context, conn *session, f facts, r *providers.Report) error {
	tables, err := conn.largeColumns(ctx, s.cfg.Database, f.packet/2)
	if err != nil {
		return fmt.Errorf("large columns: %w", err)
	}
	var found []string
	deadline := time.Now().Add(longRowsTimeout)
	for _, table := range tables {
		left := time.Until(deadline)
		if left <= 0 {
			break
		}
		long, err := conn.holdsMore(ctx, f.version, table, f.packet/2, left)
		if err != nil {
			return fmt.Errorf("long rows in table %s: %w", table.name, err)
		}
		if long {
			found = append(found, table.name)
		}
	}
	if len(found) > 0 {
		r.Add(problem.Warn(longRows, fmt.Sprintf("a row of more than %d bytes is in table %s of database %q; twice that may be more than max_allowed_packet, %d bytes",
			f.packet/2, database.List(found), s.cfg.Database, f.packet), raisePacket(2*f.packet)))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.packet, s.warnedOfRows = f.packet, len(found) > 0
	return nil
}

func raisePacket(bytes int64) string {
	return fmt.Sprintf("raise it before a restore, here or on the server that is restored to, as its administrator:\n\n    SET GLOBAL max_allowed_packet = %d\n",
		min(bytes, scratchPacket))
}

// largeTable is a table and its columns that may hold much.
type largeTable struct {
	name    string
	columns []string
}

func (s *session) largeColumns(ctx context.Context, name string, bytes int64) ([]largeTable, error) {
	rows, err := s.conn.QueryContext(ctx, largeColumnsQuery, name, bytes)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []largeTable
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			return nil, err
		}
		if len(out) == 0 || out[len(out)-1].name != table {
			out = append(out, largeTable{name: table})
		}
		last := &out[len(out)-1]
		last.columns = append(last.columns, column)
	}
	return out, rows.Err()
}

// holdsMore reports whether a row's large columns have more bytes together; what
// takes longer than given counts as no. The server itself keeps the time: it
// would go on with the query of a connection that is closed.
func (s *session) holdsMore(ctx context.Context, v version, t largeTable, bytes int64, limit time.Duration) (bool, error) {
	var lengths []string
	for _, c := range t.columns {
		lengths = append(lengths, "COALESCE(OCTET_LENGTH("+quoteName(c)+"), 0)")
	}
	query := "1 FROM " + quoteName(t.name) + " WHERE " + strings.Join(lengths, " + ") + " > ? LIMIT 1"
	if v.kind == kindMariaDB {
		query = fmt.Sprintf("SET STATEMENT max_statement_time = %.3f FOR SELECT ", limit.Seconds()) + query
	} else {
		query = fmt.Sprintf("SELECT /*+ MAX_EXECUTION_TIME(%d) */ ", limit.Milliseconds()+1) + query
	}
	found, err := s.names(ctx, query, bytes)
	if slices.Contains([]uint16{errTimeoutMariaDB, errTimeoutMySQL}, number(err)) {
		return false, nil
	}
	return len(found) > 0, err
}

// Compare implements providers.Strategy: what the last dump holds, its server
// should take.
func (s *strategy) Compare(earlier []providers.Earlier) []providers.Finding {
	s.mu.Lock()
	packet, warned := s.packet, s.warnedOfRows
	s.mu.Unlock()
	if len(earlier) == 0 || packet == 0 || warned {
		return nil
	}
	longest, err := strconv.ParseInt(earlier[0].Facts[factLongest], 10, 64)
	if err != nil || packetFor(longest) <= packet {
		return nil
	}
	return []providers.Finding{*problem.Warn(longRows,
		fmt.Sprintf("the longest statement of the last backup has %d bytes, max_allowed_packet of the server is %d", longest, packet), raisePacket(packetFor(longest)))}
}

package sqlserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-sql/sqlexp"
)

// answerTimeout is how long the server may take for a question. Statements that move data
// have none: they are watched.
const answerTimeout = time.Minute

// literal writes a text for SQL, name an identifier. BACKUP and RESTORE take no parameters
// in most places.
func literal(text string) string { return "N'" + strings.ReplaceAll(text, "'", "''") + "'" }
func name(text string) string    { return "[" + strings.ReplaceAll(text, "]", "]]") + "]" }

// ask returns the rows of a query, by the names of their columns in small letters and in
// their order. NULL is "".
func (c *session) ask(ctx context.Context, query string) (columns []string, rows [][]string, err error) {
	limited, cancel := context.WithTimeoutCause(ctx, answerTimeout, fmt.Errorf("the server gave no answer for %s", answerTimeout))
	defer cancel()
	found, err := c.conn.QueryContext(limited, query)
	if err != nil {
		return nil, nil, ended(limited, err)
	}
	defer func() { _ = found.Close() }()
	if columns, err = found.Columns(); err != nil {
		return nil, nil, ended(limited, err)
	}
	for i := range columns {
		columns[i] = strings.ToLower(columns[i])
	}
	for found.Next() {
		values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := found.Scan(into...); err != nil {
			return nil, nil, ended(limited, err)
		}
		row := make([]string, len(columns))
		for i, v := range values {
			row[i] = v.String
		}
		rows = append(rows, row)
	}
	return columns, rows, ended(limited, found.Err())
}

// ended returns the reason for which ctx ended in place of an error that follows from it.
func ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// row is ask for the first row, nil if there are no rows.
func (c *session) row(ctx context.Context, query string) ([]string, error) {
	_, rows, err := c.ask(ctx, query)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0], nil
}

// value is ask for one value, "" if there are no rows.
func (c *session) value(ctx context.Context, query string) (string, error) {
	row, err := c.row(ctx, query)
	if err != nil || len(row) == 0 {
		return "", err
	}
	return row[0], nil
}

// run carries out a statement without rows, and passes on what the server says meanwhile.
func (c *session) run(ctx context.Context, statement string, said func(text string)) error {
	var messages sqlexp.ReturnMessage
	rows, err := c.conn.QueryContext(ctx, statement, &messages)
	if err != nil {
		return ended(ctx, err)
	}
	listening, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(c.alive, stop)()
	var failed error
	for more := true; more; {
		switch m := messages.Message(listening).(type) {
		case sqlexp.MsgNotice:
			said(m.Message.String())
		case sqlexp.MsgError:
			failed = errors.Join(failed, m.Error)
		case sqlexp.MsgNextResultSet:
			more = rows.NextResultSet()
		}
	}
	failed = errors.Join(failed, rows.Err(), rows.Close())
	if failed == nil && c.alive.Err() != nil {
		failed = context.Cause(c.alive)
	}
	return ended(ctx, failed)
}

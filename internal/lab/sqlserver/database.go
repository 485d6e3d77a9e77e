package sqlserver

import (
	"fmt"
	"maps"
	"os"
	"slices"

	"bkp/internal/lab/tds"
)

// States of a database.
const (
	online    = "ONLINE"
	restoring = "RESTORING"
)

// database is one; what has a large letter is in its backups.
type database struct {
	Name, Collation, Recovery      string
	Snapshots, Encrypted, ReadOnly bool
	Tables                         map[string]map[int64]row
	Users                          map[string]string // to the sid of their logins
	Files                          []file

	state string
	// id is the number of the database.
	id int64
	// base is the full backup that the next differential one builds on; of a database
	// that is restoring, the one that it was restored from.
	base string
	// since is the change after which rows are in a differential backup.
	since int64
}

// row is one of a table, with the number of its last change.
type row struct {
	Values []string
	LSN    int64
}

// file is one of a database: its logical name, where it lies, and D or L.
type file struct{ Logical, Path, Kind string }

func (d *database) insert(table string, values []string, lsn int64) {
	if d.Tables[table] == nil {
		d.Tables[table] = map[int64]row{}
	}
	d.Tables[table][int64(len(d.Tables[table])+1)] = row{Values: values, LSN: lsn}
}

// copyOf is the database as it is now; with since, only what changed after it.
func (d *database) copyOf(since int64) database {
	out := *d
	out.Tables = map[string]map[int64]row{}
	for table, rows := range d.Tables {
		out.Tables[table] = map[int64]row{}
		for id, r := range rows {
			if r.LSN > since {
				out.Tables[table][id] = r
			}
		}
	}
	out.Users, out.Files = maps.Clone(d.Users), slices.Clone(d.Files)
	return out
}

// drop removes a database with its files. The lock is held.
func (s *Server) drop(name string) {
	d := s.databases[name]
	if d == nil {
		return
	}
	for _, f := range d.Files {
		_ = os.Remove(s.Disk(f.Path))
	}
	delete(s.databases, name)
}

// mine is the database of the session.
func (b batch) mine() (*database, error) {
	d := b.server.databases[b.login.Database]
	if d == nil || d.state != online {
		return nil, &tds.Error{Number: errNoDatabase, Message: fmt.Sprintf("Database %q cannot be opened.", b.login.Database)}
	}
	return d, nil
}

// createTable makes an empty table.
func (b batch) createTable() (tds.Reply, error) {
	b.server.mu.Lock()
	defer b.server.mu.Unlock()
	d, err := b.mine()
	if err == nil {
		d.Tables[b.named()] = map[int64]row{}
	}
	return tds.Reply{}, err
}

// insert adds a row of the texts of the statement.
func (b batch) insert() (tds.Reply, error) {
	b.server.mu.Lock()
	defer b.server.mu.Unlock()
	d, err := b.mine()
	if err == nil {
		d.insert(b.named(), b.texts(), b.server.next())
	}
	return tds.Reply{}, err
}

// all returns the rows of a table by their numbers, which are the first column.
func (b batch) all() (tds.Reply, error) {
	b.server.mu.Lock()
	defer b.server.mu.Unlock()
	d, err := b.mine()
	if err != nil {
		return tds.Reply{}, err
	}
	rows, ok := d.Tables[b.named()]
	if !ok {
		return tds.Reply{}, &tds.Error{Number: errNoObject, Message: "Invalid object name '" + b.named() + "'."}
	}
	r := tds.Reply{Columns: []string{"id"}}
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		r.Rows = append(r.Rows, append([]string{fmt.Sprint(id)}, rows[id].Values...))
	}
	for i := 1; len(r.Rows) > 0 && i < len(r.Rows[0]); i++ {
		r.Columns = append(r.Columns, fmt.Sprint("c", i))
	}
	return r, nil
}

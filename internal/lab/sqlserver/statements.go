package sqlserver

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"bkp/internal/lab/tds"
)

// batch is one that is carried out.
type batch struct {
	server *Server
	ctx    context.Context //nolint:containedctx // that of the one batch
	login  tds.Login
	sql    string
	say    func(string)
}

type statement struct {
	words string
	do    func(batch) (tds.Reply, error)
}

// statements are those that are understood; the first whose words a batch has is it.
func statements() []statement {
	return []statement{
		{"RESTORE FILELISTONLY", batch.files},
		{"RESTORE VERIFYONLY", listed(batch.verify)},
		{"RESTORE DATABASE", listed(batch.restore)},
		{"BACKUP DATABASE [", listed(batch.backup)},
		{"FROM sys.dm_exec_requests", batch.requests},
		{"@@SPID", batch.number},
		{"MODIFY NAME", batch.rename},
		{"DROP DATABASE", batch.drop},
		{"N'ProductVersion'", batch.product},
		{"HAS_PERMS_BY_NAME", batch.rights},
		{"FROM sys.databases", batch.properties},
		{"sys.database_principals", batch.orphans},
		{"N'SpaceUsed'", batch.size},
		{"FROM sys.database_files", batch.base},
		{"COUNT(*)) FROM msdb.dbo.backupset", batch.others},
		{"FROM msdb.dbo.backupset", batch.recorded},
		{"CREATE TABLE", batch.createTable},
		{"INSERT INTO", batch.insert},
		{"SELECT * FROM", batch.all},
	}
}

func one(values ...string) tds.Reply {
	r := tds.Reply{Rows: [][]string{values}}
	for i := range values {
		r.Columns = append(r.Columns, fmt.Sprint("c", i))
	}
	return r
}

// quoted are the texts between open and end, in which end is doubled.
func quoted(sql, open, end string) []string {
	var out []string
	for {
		_, rest, found := strings.Cut(sql, open)
		if !found {
			return out
		}
		var text strings.Builder
		for {
			part, more, closed := strings.Cut(rest, end)
			text.WriteString(part)
			rest = more
			if !closed || !strings.HasPrefix(rest, end) {
				break
			}
			text.WriteString(end)
			rest = rest[len(end):]
		}
		out, sql = append(out, text.String()), rest
	}
}

func (b batch) texts() []string { return quoted(b.sql, "N'", "'") }

// named is the first name in brackets.
func (b batch) named() string {
	if names := quoted(b.sql, "[", "]"); len(names) > 0 {
		return names[0]
	}
	return ""
}

func (b batch) lastText() string {
	all := b.texts()
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

func flag(on bool) string {
	if on {
		return "1"
	}
	return "0"
}

func (b batch) product() (tds.Reply, error) {
	o := b.server.options
	return one(o.Version, o.Edition, o.Engine, tds.Name, DataFolder+"/", DataFolder+"/"), nil
}

// may reports whether the login has a right.
func (b batch) may(right string) bool {
	b.server.mu.Lock()
	defer b.server.mu.Unlock()
	return !slices.Contains(b.server.logins[b.login.User].denied, right)
}

func (b batch) rights() (tds.Reply, error) { return one(flag(b.may(b.lastText()))), nil }

func (b batch) properties() (tds.Reply, error) {
	b.server.mu.Lock()
	defer b.server.mu.Unlock()
	d := b.server.databases[b.lastText()]
	if d == nil {
		return tds.Reply{Columns: []string{"state_desc", "recovery", "collation", "snapshots", "read_only", "encrypted", "database_id"}}, nil
	}
	return one(d.state, d.Recovery, d.Collation, flag(d.Snapshots), flag(d.ReadOnly), flag(d.Encrypted), strconv.FormatInt(d.id, 10)), nil
}

func (b batch) orphans() (tds.Reply, error) {
	b.server.mu.Lock()
	defer b.server.mu.Unlock()
	d := b.server.databases[b.named()]
	if d == nil {
		return tds.Reply{}, &tds.Error{Number: errNoObject, Message: "Invalid object name '" + b.named() + "'."}
	}
	r := tds.Reply{Columns: []string{"name"}}
	for _, name := range slices.Sorted(maps.Keys(d.Users)) {
		known := false
		for _, l := range b.server.logins {
			known = known || l.sid == d.Users[name]
		}
		if !known {
			r.Rows = append(r.Rows, []string{name})
		}
	}
	return r, nil
}

func (b batch) size() (tds.Reply, error) {
	const page = 8192
	b.server.mu.Lock()
	defer b.server.mu.Unlock()
	n := 0
	if d := b.server.databases[b.login.Database]; d != nil {
		for _, rows := range d.Tables {
			n += len(rows)
		}
	}
	return one(strconv.Itoa((n + 1) * page)), nil
}

func (b batch) base() (tds.Reply, error) {
	b.server.mu.Lock()
	defer b.server.mu.Unlock()
	if d := b.server.databases[b.login.Database]; d != nil && d.base != "" {
		return one(d.base), nil
	}
	return one(tds.Null), nil
}

func (b batch) others() (tds.Reply, error) {
	b.server.mu.Lock()
	defer b.server.mu.Unlock()
	n := 0
	for _, h := range b.server.history {
		if h.Database == b.texts()[0] && h.Differential && !strings.HasPrefix(h.Name, "bkp ") {
			n++
		}
	}
	return one(strconv.Itoa(n)), nil
}

// recorded is the newest entry of the history about a device.
func (b batch) recorded() (tds.Reply, error) {
	b.server.mu.Lock()
	defer b.server.mu.Unlock()
	for _, h := range slices.Backward(b.server.history) {
		if h.device != b.lastText() {
			continue
		}
		kind, base := "D", tds.Null
		if h.Differential {
			kind, base = "I", h.Base
		}
		return one(h.GUID, kind, flag(h.copyOnly), base, flag(h.Checksum), "0", strconv.FormatInt(h.size, 10)), nil
	}
	return tds.Reply{Columns: []string{"guid", "type", "copy", "base", "checksum", "damaged", "size"}}, nil
}

func (b batch) drop() (tds.Reply, error) {
	b.server.mu.Lock()
	defer b.server.mu.Unlock()
	b.server.drop(b.named())
	return tds.Reply{}, nil
}

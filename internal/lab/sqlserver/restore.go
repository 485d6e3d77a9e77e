package sqlserver

import (
	"fmt"
	"maps"
	"os"
	"strings"

	"bkp/internal/lab/tds"
)

// files carries out RESTORE FILELISTONLY.
func (b batch) files() (tds.Reply, error) {
	h, err := b.server.read(b.texts()[0])
	if err != nil {
		return tds.Reply{}, err
	}
	r := tds.Reply{Columns: []string{"LogicalName", "PhysicalName", "Type", "FileGroupName", "Size"}}
	for _, f := range h.Content.Files {
		r.Rows = append(r.Rows, []string{f.Logical, f.Path, f.Kind, tds.Null, "8388608"})
	}
	return r, nil
}

func (b batch) verify() (tds.Reply, error) {
	_, err := b.server.read(b.texts()[0])
	return tds.Reply{}, err
}

// restore carries out RESTORE DATABASE.
func (b batch) restore() (tds.Reply, error) {
	texts := b.texts()
	if !b.may("CREATE ANY DATABASE") {
		return tds.Reply{}, &tds.Error{Number: errDenied, Message: "CREATE DATABASE permission denied in database 'master'."}
	}
	h, err := b.server.read(texts[0])
	if err != nil {
		return tds.Reply{}, err
	}
	if major(h.Version) > major(b.server.options.Version) {
		return tds.Reply{}, &tds.Error{Number: errNewer, Message: fmt.Sprintf("The database was backed up on a server running version %s. That version is incompatible with this server, which is running version %s.", h.Version, b.server.options.Version)}
	}
	for _, percent := range []int{30, 60} {
		b.say(fmt.Sprintf("%d percent processed.", percent))
	}
	if b.ctx.Err() != nil {
		return tds.Reply{}, b.ctx.Err()
	}
	b.server.mu.Lock()
	defer b.server.mu.Unlock()
	if h.Differential {
		err = b.restoreDifferential(h)
	} else {
		err = b.restoreFull(h, texts[1:])
	}
	if err != nil {
		return tds.Reply{}, err
	}
	if !b.with("NORECOVERY") {
		b.server.databases[b.named()].state = online
	}
	return tds.Reply{}, nil
}

func major(version string) string {
	first, _, _ := strings.Cut(version, ".")
	return first
}

// restoreFull makes the database; moves are pairs of a logical name and a path.
func (b batch) restoreFull(h set, moves []string) error {
	if b.server.databases[b.named()] != nil {
		return &tds.Error{Number: errExists, Message: fmt.Sprintf("The tail of the log for the database %q has not been backed up.", b.named())}
	}
	d := h.Content.copyOf(-1)
	d.Name, d.state, d.base, d.since, d.id = b.named(), restoring, h.GUID, 0, b.server.next()
	for i, f := range d.Files {
		for m := 0; m+1 < len(moves); m += 2 {
			if moves[m] == f.Logical {
				d.Files[i].Path = moves[m+1]
			}
		}
	}
	for i, f := range d.Files {
		made, err := os.OpenFile(b.server.Disk(f.Path), os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			for _, f := range d.Files[:i] {
				_ = os.Remove(b.server.Disk(f.Path))
			}
			return &tds.Error{Number: errFileTaken, Message: fmt.Sprintf("The file '%s' cannot be overwritten. It is being used by another database.", f.Path)}
		}
		_ = made.Close()
	}
	b.server.databases[d.Name] = &d
	return nil
}

func (b batch) restoreDifferential(h set) error {
	d := b.server.databases[b.named()]
	if d == nil || d.state != restoring || d.base != h.Base {
		return &tds.Error{Number: errWrongBase, Message: "This differential backup cannot be restored because the database has not been restored to the correct earlier state."}
	}
	for table, rows := range h.Content.Tables {
		if d.Tables[table] == nil {
			d.Tables[table] = map[int64]row{}
		}
		maps.Copy(d.Tables[table], rows)
	}
	d.Users, d.base = h.Content.Users, ""
	d.Snapshots, d.Recovery = h.Content.Snapshots, h.Content.Recovery
	return nil
}

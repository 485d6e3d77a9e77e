package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"unicode/utf16"

	"bkp/internal/lab/sqlserver"
)

// filing is an engine that writes files of its own.
type filing interface {
	// attributes are those that a block has besides.
	attributes(name string) string
	// folder is where the backups of a database are, files what is in it.
	folder(name string) string
	files(name string) ([]string, error)
}

// standIn plays a SQL Server in this process: there is no real one to test with.
type standIn struct{ *sqlserver.Server }

func startSQLServer(dir string) (*standIn, error) {
	const account = 12345 // none of this machine's, and not root
	o := sqlserver.Options{Dir: dir}
	if os.Geteuid() == 0 {
		o.Account = account
	}
	s, err := sqlserver.Start(o)
	return &standIn{s}, err
}

// Host implements engine.
func (*standIn) Host() string { return "127.0.0.1" }

// Stop implements engine. What restores made for a while must be gone by then: each that was
// killed was followed by another.
func (s *standIn) Stop() error {
	err := s.Close()
	for _, name := range s.Databases() {
		if strings.HasPrefix(name, "bkp-restore-") {
			err = errors.Join(err, fmt.Errorf("a restore has left database %s", name))
		}
	}
	return err
}

// CreateDatabase implements engine. Each has a folder of its own for its backups.
func (s *standIn) CreateDatabase(_ context.Context, name string) error {
	s.Server.CreateDatabase(name)
	return s.MakeFolder(backups(name))
}

func backups(name string) string { return sqlserver.BackupFolder + "/" + name }

func (s *standIn) attributes(name string) string {
	return fmt.Sprintf("  server_path = %q\n  path = %q\n  tls { mode = \"disable\" }\n", backups(name), s.Disk(backups(name)))
}

func (s *standIn) folder(name string) string { return s.Disk(backups(name)) }

func (s *standIn) files(name string) ([]string, error) {
	entries, err := os.ReadDir(s.Disk(backups(name)))
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out, err
}

func (s *standIn) account() (user, password string) { return "sa", s.Password() }

func (s *standIn) drop(_ context.Context, name string) error {
	s.Drop(name)
	err := os.RemoveAll(s.Disk(backups(name)))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func (s *standIn) sessions(_ context.Context, name string) ([]string, error) {
	var out []string
	for _, l := range s.Logins() {
		if l.Program == "bkp" && l.Database == name {
			out = append(out, l.Program+" in "+l.Database)
		}
	}
	return out, nil
}

// ofComponent is what begins the names of a component's files, which depends on the port of
// the instance.
var ofComponent = regexp.MustCompile(`(bkp|restore)-[0-9a-f]{8}-`)

// besideServer names a file in the folder of a database server, "" for others.
func (c *scene) besideServer(path string) string {
	f, ok := c.engine.(filing)
	if !ok {
		return ""
	}
	rest, ok := strings.CutPrefix(path, f.folder(c.name)+"/")
	if !ok {
		return ""
	}
	return "server/" + generic(ofComponent.ReplaceAllString(rest, "$1-"))
}

// statement is the kind of a message of SQL Server's protocol, with the first words of a
// batch: a header of eight bytes, headers with their length, and a text.
func (s *standIn) statement(data []byte) string {
	const header, batch = 8, 1
	if len(data) <= header {
		return ""
	}
	kind := fmt.Sprintf(":%d", data[0])
	if data[0] != batch || len(data) < header+4 {
		return kind
	}
	text := data[header:]
	if n := binary.LittleEndian.Uint32(text); int64(n) <= int64(len(text)) {
		text = text[n:]
	}
	units := make([]uint16, len(text)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(text[2*i:])
	}
	return kind + ":" + firstWords(string(utf16.Decode(units)))
}

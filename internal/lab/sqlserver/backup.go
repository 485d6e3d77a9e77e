package sqlserver

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"strings"

	"bkp/internal/lab/tds"
)

// set is a backup: what the file holds, and what the history knows of it.
type set struct {
	Name, Database string
	GUID, Base     string
	Version        string
	Differential   bool
	Checksum       bool
	Content        database
	// Sum finds a file that was damaged.
	Sum uint32

	device   string
	copyOnly bool
	size     int64
}

// backup carries out BACKUP DATABASE. One that is given up in the middle leaves a part of a file.
func (b batch) backup() (tds.Reply, error) {
	texts := b.texts()
	device, name := texts[0], texts[len(texts)-1]
	h := set{
		Name: name, Database: b.named(), GUID: rand.Text(), Version: b.server.options.Version, device: device,
		Differential: b.with("DIFFERENTIAL"), Checksum: b.with("CHECKSUM"), copyOnly: b.with("COPY_ONLY"),
	}
	switch {
	case !b.may("BACKUP DATABASE"):
		return tds.Reply{}, &tds.Error{Number: errDenied, Message: fmt.Sprintf("BACKUP DATABASE permission denied in database '%s'.", h.Database)}
	case b.server.options.Engine == "4" && b.with("COMPRESSION"):
		return tds.Reply{}, &tds.Error{Number: errCompression, Message: "BACKUP DATABASE WITH COMPRESSION is not supported on Express Edition."}
	}
	if err := b.server.write(device, []byte("part of a backup")); err != nil {
		return tds.Reply{}, err
	}
	for _, percent := range []int{10, 50, 90} {
		b.say(fmt.Sprintf("%d percent processed.", percent))
		if b.ctx.Err() != nil {
			return tds.Reply{}, b.ctx.Err()
		}
	}
	if err := b.server.take(h); err != nil {
		return tds.Reply{}, err
	}
	b.say("100 percent processed.")
	return tds.Reply{}, nil
}

// BackUp makes a full backup, as somebody else does.
func (s *Server) BackUp(name, file string) error {
	return s.take(set{Name: file, Database: name, GUID: rand.Text(), Version: s.options.Version, device: BackupFolder + "/" + file, Checksum: true})
}

// BackUpChanges makes a differential backup, as somebody else does.
func (s *Server) BackUpChanges(name, file string) error {
	return s.take(set{Name: file, Database: name, GUID: rand.Text(), Version: s.options.Version, device: BackupFolder + "/" + file, Checksum: true, Differential: true})
}

// with reports whether the statement has an option.
func (b batch) with(option string) bool {
	_, options, _ := strings.Cut(b.sql, " WITH ")
	for o := range strings.SplitSeq(options, ",") {
		if strings.TrimSpace(o) == option {
			return true
		}
	}
	return false
}

// take fixes the state, writes it and enters it into the history.
func (s *Server) take(h set) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.databases[h.Database]
	if d == nil {
		return &tds.Error{Number: errNoDatabase, Message: "Database '" + h.Database + "' does not exist."}
	}
	since := int64(-1)
	if h.Differential {
		if h.Base, since = d.base, d.since; h.Base == "" {
			return &tds.Error{Number: errNoBase, Message: "Cannot perform a differential backup for database \"" + d.Name + "\", because a current database backup does not exist."}
		}
	}
	h.Content = d.copyOf(since)
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	h.Sum = crc32.ChecksumIEEE(text)
	if text, err = json.Marshal(h); err != nil {
		return err
	}
	if err := s.write(h.device, text); err != nil {
		return err
	}
	if !h.Differential && !h.copyOnly {
		d.base, d.since = h.GUID, s.lsn
	}
	h.size = int64(len(text))
	s.history = append(s.history, h)
	return nil
}

// write makes a file on the server's disk, as its account.
func (s *Server) write(path string, text []byte) error {
	const mode = 0o660
	err := os.WriteFile(s.Disk(path), text, mode)
	if err == nil && s.options.Account != 0 {
		err = os.Chown(s.Disk(path), s.options.Account, s.options.Account)
	}
	if err != nil {
		return &tds.Error{Number: errDevice, Message: fmt.Sprintf("Cannot open backup device '%s'. Operating system error 3(The system cannot find the path specified.).", path)}
	}
	return nil
}

// read opens a backup, if the server's account may read it.
func (s *Server) read(path string) (set, error) {
	denied := &tds.Error{Number: errDevice, Message: fmt.Sprintf("Cannot open backup device '%s'. Operating system error 5(Access is denied.).", path)}
	if !s.readable(path) {
		return set{}, denied
	}
	text, err := os.ReadFile(s.Disk(path))
	if err != nil {
		return set{}, denied
	}
	var h set
	if json.Unmarshal(text, &h) != nil {
		return set{}, &tds.Error{Number: errNotBackup, Message: fmt.Sprintf("The media family on device '%s' is incorrectly formed. SQL Server cannot process this media family.", path)}
	}
	sum := h.Sum
	h.Sum = 0
	if plain, err := json.Marshal(h); err != nil || crc32.ChecksumIEEE(plain) != sum {
		return set{}, &tds.Error{Number: errChecksum, Message: fmt.Sprintf("Damage to the backup set was detected on '%s'.", path)}
	}
	return h, nil
}

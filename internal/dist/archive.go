package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// archive makes the tarball of a system, a zip for Windows. Everything in it is in one
// folder that has its name.
func (m maker) archive(p program) error {
	items, err := m.unpackaged(p)
	if err != nil {
		return err
	}
	for i := range items {
		items[i].path = path.Join(p.name(), items[i].path)
	}
	slices.SortFunc(items, byPath)
	write, ext := writeTar, ".tar.gz"
	if p.os == "windows" {
		write, ext = writeZip, ".zip"
	}
	f, err := os.Create(filepath.Join(m.out, p.name()+ext))
	if err != nil {
		return err
	}
	return errors.Join(write(f, items, m.time), f.Close())
}

// unpackaged is what is in an archive.
func (m maker) unpackaged(p program) ([]item, error) {
	binary, err := os.ReadFile(p.path)
	if err != nil {
		return nil, err
	}
	changes, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return nil, err
	}
	out := []item{{filepath.Base(p.path), 0o755, binary}, {"CHANGELOG.md", 0o644, changes}}
	if p.os == "windows" {
		return out, nil
	}
	shells, err := completions(map[string]string{"bash": "completion/bkp", "zsh": "completion/_bkp", "fish": "completion/bkp.fish"})
	if err != nil {
		return nil, err
	}
	out = append(append(out, shells...), manuals("man1", p.version, m.time)...)
	if p.os != "linux" {
		return out, nil
	}
	services, err := units("/usr/local/bin/bkp")
	if err != nil {
		return nil, err
	}
	for _, u := range services {
		u.path = path.Join("systemd", u.path)
		out = append(out, u)
	}
	for _, name := range []string{"secrets.env.example", "user.conf"} {
		i, err := file(name, path.Join("systemd", name), 0o644)
		if err != nil {
			return nil, err
		}
		out = append(out, i)
	}
	return out, nil
}

func writeTar(to io.Writer, items []item, at time.Time) error {
	packed, err := gzip.NewWriterLevel(to, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := tar.NewWriter(packed)
	for _, i := range items {
		err := w.WriteHeader(&tar.Header{Name: i.path, Mode: int64(i.mode), Size: int64(len(i.data)), ModTime: at, Format: tar.FormatPAX})
		if err != nil {
			return err
		}
		if _, err := w.Write(i.data); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), packed.Close())
}

func writeZip(to io.Writer, items []item, at time.Time) error {
	w := zip.NewWriter(to)
	for _, i := range items {
		h := &zip.FileHeader{Name: i.path, Method: zip.Deflate, Modified: at}
		h.SetMode(i.mode)
		f, err := w.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := f.Write(i.data); err != nil {
			return err
		}
	}
	return w.Close()
}

// sums is the file of the checksums.
const sums = "SHA256SUMS"

// checksums writes SHA256SUMS of all files of a folder, as sha256sum -c reads it.
func checksums(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		b.WriteString(hex.EncodeToString(sum[:]) + "  " + e.Name() + "\n")
	}
	return os.WriteFile(filepath.Join(dir, sums), []byte(b.String()), 0o644)
}

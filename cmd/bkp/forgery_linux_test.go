package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"bkp/providers"
)

const (
	forgedID   = providers.BackupID("prod-20261122T214431Z")
	forgedHome = "home.mirror.shared"
	// top is the folder of the home's artifact in the archive; the home itself
	// is the entry "home" in it.
	top = string(forgedID) + "/" + forgedHome
)

// forgery is a backup as somebody would write it who may write to the archive's
// folder: it is whole and its digests are right, unless a field breaks them.
type forgery struct {
	suffix  string // .tar if ""
	entries []forgedEntry
	// part changes what both the record in the part and the manifest say of it.
	part     func(*providers.Part)
	manifest func(*providers.Manifest)
	// inside replaces the record in the part, tail what follows it, file the whole
	// stored file once its digest is taken, sealed the manifest beside.
	inside func([]byte) []byte
	tail   []byte
	file   func([]byte) []byte
	sealed func([]byte) []byte
	pack   func([]byte) []byte
}

// forgedEntry is a header with content, or blocks of the archive as they are.
type forgedEntry struct {
	tar.Header
	content string
	raw     []byte
}

func folder(name string) forgedEntry {
	return forgedEntry{Header: tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755}}
}

func file(name, content string) forgedEntry {
	return forgedEntry{Header: tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content))}, content: content}
}

func link(kind byte, name, target string) forgedEntry {
	return forgedEntry{Header: tar.Header{Typeflag: kind, Name: name, Linkname: target, Mode: 0o777}}
}

// record is a file with a record of its own.
func record(key, value string) forgedEntry {
	e := file(top+"/home/a", "x")
	e.PAXRecords = map[string]string{key: value}
	return e
}

// block is a header that archive/tar would refuse to write.
func block(kind byte, name string, size int64, set func([]byte)) []byte {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[100:], "0000644\x000000000\x000000000\x00")
	copy(b[124:], fmt.Sprintf("%011o\x00%011o\x00", size, 0))
	b[156] = kind
	copy(b[257:], "ustar\x0000")
	if set != nil {
		set(b)
	}
	copy(b[148:], "        ")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

// paxBlocks is a header of records in front of a file's own.
func paxBlocks(records ...string) []byte {
	var body strings.Builder
	for _, r := range records {
		n := len(r) + 3
		for len(fmt.Sprint(n))+len(r)+2 != n {
			n = len(fmt.Sprint(n)) + len(r) + 2
		}
		fmt.Fprintf(&body, "%d %s\n", n, r)
	}
	out := append(block('x', "records", int64(body.Len()), nil), body.String()...)
	return append(out, make([]byte, (512-body.Len()%512)%512)...)
}

func rawFile(records ...string) forgedEntry {
	out := append(paxBlocks(records...), block('0', top+"/home/a", 0, nil)...)
	return forgedEntry{raw: out}
}

// write plants the backup in an archive's folder.
func (f forgery) write(t *testing.T, dir string) {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	part := providers.Part{}
	object := providers.Object{Name: forgedHome + cmp.Or(f.suffix, ".tar")}
	for _, e := range f.entries {
		part.Files++
		if e.raw != nil {
			check(t, tw.Flush())
			buf.Write(e.raw)
			continue
		}
		check(t, tw.WriteHeader(&e.Header))
		_, err := io.WriteString(tw, e.content)
		check(t, err)
		part.Bytes += int64(len(e.content))
	}
	check(t, tw.Flush())
	if f.part != nil {
		f.part(&part)
	}
	art := providers.Artifact{Address: forgedHome, Strategy: `home "mirror"`, PointInTime: forgedID.Time()}
	m := providers.Manifest{Format: 1, ID: forgedID, Instance: "prod", Tool: "test", Created: forgedID.Time(), Artifacts: []providers.Artifact{art}}
	f.writeRecord(t, tw, m, part, digest(buf.Bytes()))
	buf.Write(f.tail)

	stored := buf.Bytes()
	if f.pack != nil {
		stored = f.pack(stored)
	}
	object.Bytes, object.SHA256 = int64(len(stored)), digest(stored)
	part.Objects = []providers.Object{object}
	m.Stored = []providers.Stored{{Archive: "archive.tar.local", Location: dir, Parts: map[string]providers.Part{forgedHome: part}}}
	if f.manifest != nil {
		f.manifest(&m)
	}
	sealed := seal(t, "manifest", m)
	if f.sealed != nil {
		sealed = f.sealed(sealed)
	}
	if f.file != nil {
		stored = f.file(stored)
	}
	dir = filepath.Join(dir, string(forgedID))
	check(t, os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, object.Name), stored, 0o600),
		os.WriteFile(filepath.Join(dir, "manifest.json"), sealed, 0o600))
}

// writeRecord writes the last entry of the part.
func (f forgery) writeRecord(t *testing.T, tw *tar.Writer, m providers.Manifest, part providers.Part, sum string) {
	t.Helper()
	inside := seal(t, "record", map[string]any{
		"manifest": m, "parts": []string{forgedHome}, "address": forgedHome, "files": part.Files, "bytes": part.Bytes, "holes": part.Holes, "sha256": sum,
	})
	if f.inside != nil {
		inside = f.inside(inside)
	}
	check(t, tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: top + ".json", Mode: 0o600, Size: int64(len(inside))}))
	_, err := tw.Write(inside)
	check(t, err, tw.Close())
}

func seal(t *testing.T, name string, value any) []byte {
	t.Helper()
	body, err := json.MarshalIndent(value, "", "  ")
	check(t, err)
	return layOut(name, body)
}

func layOut(name string, body []byte) []byte {
	return fmt.Appendf(nil, "{\n\"sha256\": %q,\n%q: %s\n}\n", digest(body), name, body)
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func check(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// bomb is a file of zeros that the manifest does not list.
func bomb(suffix string, pack func([]byte) []byte) forgery {
	return forgery{
		suffix: suffix, pack: pack, part: func(p *providers.Part) { p.Bytes = 0 },
		entries: []forgedEntry{folder(top), folder(top + "/home"), file(top+"/home/a", string(make([]byte, 32<<20)))},
	}
}

func packZstd(b []byte) []byte {
	w, _ := zstd.NewWriter(nil)
	return w.EncodeAll(b, nil)
}

func packGzip(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

// hugeWindow is the head of a frame that wants 256 MB of memory.
func hugeWindow([]byte) []byte { return []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x90, 0x01, 0x00, 0x00} }

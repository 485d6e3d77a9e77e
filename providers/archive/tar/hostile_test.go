package tar

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bkp/providers"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/internal/shelf"
	"bkp/providers/archive/place"
)

const (
	hostile = string(id) + "/home.mirror.shared"
	pwned   = "pwned"
)

func dirEntry(name string) tar.Header {
	return tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755}
}

func fileEntry(name string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(pwned))}
}

func linkEntry(kind byte, name, target string) tar.Header {
	return tar.Header{Typeflag: kind, Name: name, Linkname: target, Mode: 0o777}
}

// plant writes an archive whose digests are right and whose entries are what
// an attacker would write.
func plant(t *testing.T, a *archive, entries []tar.Header) {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	m := providers.Manifest{Format: providers.ManifestFormat, ID: id, Instance: "prod", Artifacts: []providers.Artifact{{Address: artifact}}}
	rec := record{Manifest: m, Parts: []string{artifact}, Address: artifact}
	for _, h := range entries {
		must(t, tw.WriteHeader(&h))
		rec.Files++
		if h.Typeflag == tar.TypeReg {
			_, err := io.WriteString(tw, pwned)
			must(t, err)
			rec.Bytes += h.Size
		}
	}
	must(t, tw.Flush())
	rec.SHA256 = document.Digest(buf.Bytes())
	data, err := sealRecord(rec)
	must(t, err, tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: recordEntry(id, artifact), Size: int64(len(data))}))
	_, err = tw.Write(data)
	must(t, err, tw.Close())
	part := rec.part()
	part.Objects = []providers.Object{{Name: artifact + ".tar", Bytes: int64(buf.Len()), SHA256: document.Digest(buf.Bytes())}}
	m.Stored = []providers.Stored{{Parts: map[string]providers.Part{artifact: part}}}
	sealed, err := document.Seal("manifest", m)
	must(t, err)
	write(t, filepath.Join(a.cfg.Destination, string(id), part.Objects[0].Name), buf.String())
	write(t, manifestPath(a, id), string(sealed))
}

func TestFetchRefusesHostileEntries(t *testing.T) {
	root := dirEntry(hostile)
	for name, entries := range map[string][]tar.Header{
		"parent":                 {root, fileEntry(hostile + "/../../escaped")},
		"parent in the middle":   {root, dirEntry(hostile + "/a"), fileEntry(hostile + "/a/../../../escaped")},
		"absolute":               {root, fileEntry("/tmp/escaped")},
		"other id":               {root, fileEntry("other-20261122T214431Z/home.mirror.shared/escaped")},
		"empty name":             {root, fileEntry(hostile + "//escaped")},
		"dot":                    {root, fileEntry(hostile + "/./escaped")},
		"through a link":         {root, linkEntry(tar.TypeSymlink, hostile+"/a", "../.."), fileEntry(hostile + "/a/escaped")},
		"through an inner link":  {root, dirEntry(hostile + "/a"), linkEntry(tar.TypeSymlink, hostile+"/b", "a"), fileEntry(hostile + "/b/escaped")},
		"link as folder":         {root, linkEntry(tar.TypeSymlink, hostile+"/a", "/"), dirEntry(hostile + "/a"), fileEntry(hostile + "/a/escaped")},
		"root is a link":         {linkEntry(tar.TypeSymlink, hostile, "/"), fileEntry(hostile + "/escaped")},
		"root is a file":         {fileEntry(hostile)},
		"no root":                {fileEntry(hostile + "/file")},
		"twice":                  {root, fileEntry(hostile + "/a"), fileEntry(hostile + "/a")},
		"root twice":             {root, root},
		"out of order":           {root, fileEntry(hostile + "/b"), fileEntry(hostile + "/a")},
		"folder left before":     {root, dirEntry(hostile + "/a"), dirEntry(hostile + "/b"), fileEntry(hostile + "/a/x")},
		"folder missing":         {root, fileEntry(hostile + "/a/b")},
		"hard link outside":      {root, linkEntry(tar.TypeLink, hostile+"/a", "/etc/passwd")},
		"hard link above":        {root, linkEntry(tar.TypeLink, hostile+"/a", hostile+"/../../secret")},
		"hard link to other":     {root, linkEntry(tar.TypeLink, hostile+"/a", string(id)+"/database/secret")},
		"hard link to nothing":   {root, linkEntry(tar.TypeLink, hostile+"/a", hostile+"/b")},
		"hard link to a link":    {root, linkEntry(tar.TypeSymlink, hostile+"/a", "../../secret"), linkEntry(tar.TypeLink, hostile+"/b", hostile+"/a")},
		"hard link through link": {root, linkEntry(tar.TypeSymlink, hostile+"/a", ".."), linkEntry(tar.TypeLink, hostile+"/b", hostile+"/a/x")},
		"hard link to a folder":  {root, dirEntry(hostile + "/a"), linkEntry(tar.TypeLink, hostile+"/b", hostile+"/a")},
		"unknown type":           {root, {Typeflag: 'Z', Name: hostile + "/a"}},
		"other artifact":         {root, dirEntry(string(id) + "/home.mirror.other"), fileEntry(string(id) + "/home.mirror.other/a")},
		"artifact in two parts": {
			root, dirEntry(string(id) + "/home.mirror.other"), fileEntry(hostile + "/a"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			outside := t.TempDir()
			must(t, os.MkdirAll(filepath.Join(outside, "in", "side"), 0o755), os.WriteFile(filepath.Join(outside, "secret"), []byte("mine"), 0o600))
			a := open(t, t.TempDir(), nil)
			plant(t, a, entries)
			target := filepath.Join(outside, "in", "side")
			if _, err := a.Fetch(t.Context(), id, func(providers.Artifact) string { return target }); err == nil {
				t.Error("it is unpacked")
			}
			if got, _ := os.ReadDir(target); len(got) > 0 {
				t.Errorf("left behind: %v", got)
			}
			for _, path := range []string{filepath.Join(outside, "escaped"), filepath.Join(outside, "in", "escaped"), "/tmp/escaped", "/escaped"} {
				if _, err := os.Lstat(path); err == nil {
					t.Errorf("%s was written", path)
				}
			}
			if findings, err := a.Verify(t.Context(), id); name != "hard link to nothing" && !strings.HasPrefix(name, "hard link t") && err == nil && len(findings) == 0 {
				t.Error("verify finds nothing")
			}
		})
	}
}

func TestPlantedArchiveIsReadWhenHarmless(t *testing.T) {
	a := open(t, t.TempDir(), nil)
	plant(t, a, []tar.Header{dirEntry(hostile), fileEntry(hostile + "/a"), linkEntry(tar.TypeLink, hostile+"/b", hostile+"/a")})
	if findings, err := a.Verify(t.Context(), id); err != nil || len(findings) > 0 {
		t.Fatalf("verify: %v %v", findings, err)
	}
	target := t.TempDir()
	_, err := a.Fetch(t.Context(), id, func(providers.Artifact) string { return target })
	must(t, err)
	if data, err := os.ReadFile(filepath.Join(target, "b")); err != nil || string(data) != pwned {
		t.Errorf("%q %v", data, err)
	}
}

func TestOrder(t *testing.T) {
	for name, c := range map[string]struct {
		entries string // a trailing slash marks a folder
		ok      bool
	}{
		"nested":               {"/ a/ a/b a/c/ a/c/d b", true},
		"folder before suffix": {"/ a/ a/x a.b", true},
		"suffix before folder": {"/ a.b a/", false},
		"twice":                {"/ a a", false},
		"return":               {"/ a/ b/ a/c", false},
		"no root":              {"a", false},
		"file as folder":       {"/ a a/b", false},
	} {
		t.Run(name, func(t *testing.T) {
			var o order
			var err error
			for e := range strings.FieldsSeq(c.entries) {
				if err = o.next(strings.TrimSuffix(e, "/"), strings.HasSuffix(e, "/")); err != nil {
					break
				}
			}
			if (err == nil) != c.ok {
				t.Error(err)
			}
		})
	}
}

// FuzzRead feeds anything to the reader, which must neither crash nor write
// outside its folder.
func FuzzRead(f *testing.F) {
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, h := range []tar.Header{dirEntry(hostile), fileEntry(hostile + "/a"), linkEntry(tar.TypeSymlink, hostile+"/b", "/"), linkEntry(tar.TypeLink, hostile+"/c", hostile+"/a")} {
		if err := tw.WriteHeader(&h); err != nil {
			f.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			_, _ = io.WriteString(tw, pwned)
		}
	}
	_ = tw.Flush()
	for n, kind := range allFormats {
		var packed bytes.Buffer
		w, err := kind.writer(&packed, 0)
		if err != nil {
			f.Fatal(err)
		}
		_, _ = w.Write(buf.Bytes())
		_ = w.Close()
		f.Add(uint8(n), packed.Bytes())
	}
	f.Fuzz(func(t *testing.T, n uint8, data []byte) {
		outside := t.TempDir()
		u := &unpacking{archive: &archive{}, done: shelf.NewProgress(providers.Env{})}
		to, err := u.begin(filepath.Join(outside, "in"))
		must(t, err)
		w := wanted{b: id, name: artifact, format: allFormats[int(n)%len(allFormats)], most: &providers.Part{Files: 100, Bytes: 1 << 20}}
		if _, err := readEntries(bytes.NewReader(data), w, to); err == nil {
			must(t, u.close())
			return
		}
		must(t, u.abandon())
		if got, _ := os.ReadDir(outside); len(got) > 0 {
			t.Errorf("left behind: %v", got)
		}
	})
}

// FuzzManifest proves that what a manifest says can be relied on: its numbers
// add up, its id, addresses and objects are names.
func FuzzManifest(f *testing.F) {
	m := document.Inner(manifest(map[string]string{artifact: "/tree"}))
	m.Stored = []providers.Stored{{Parts: map[string]providers.Part{artifact: {Objects: []providers.Object{{Name: artifact + ".tar", SHA256: strings.Repeat("0", 64)}}}}}}
	whole, err := json.Marshal(m)
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{
		"", "null", "[]", string(whole), `{"format":1,"id":"../x"}`, `{"format":2}`, `{"format":1e99}`,
		`{"format":1,"id":"prod-20261122T214431Z","artifacts":[{"address":"a"}],"stored":[{"parts":{"a":{"objects":[{"name":"../a.tar"}],"files":-1}}}]}`,
		`{"format":1,"id":"prod-20261122T214431Z","artifacts":[{"address":".."}],"stored":[{"parts":{"..":{"objects":[{"name":"...tar","bytes":9223372036854775807}]}}}]}`,
	} {
		f.Add([]byte(text))
	}
	f.Add(bytes.ReplaceAll(whole, []byte(artifact+".tar"), []byte("../"+artifact+".tar")))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := (&archive{}).shelf().Open(document.LayOut("manifest", document.Digest(text), text), id)
		if err != nil {
			return
		}
		var files, bytes int64
		for _, art := range m.Artifacts {
			if len(art.Trees) > 0 {
				t.Errorf("artifact %+v", art)
			}
		}
		for address, p := range m.Stored[0].Parts {
			files, bytes = files+p.Files, bytes+p.Bytes
			if files < 0 || bytes < 0 || p.Files < 0 || p.Bytes < 0 || p.StoredBytes() < 0 {
				t.Errorf("%s: %+v", address, p)
			}
			for _, o := range p.Objects {
				if o.Bytes < 0 || place.CheckName(place.Name(id, o.Name)) != nil {
					t.Errorf("%s: %+v", address, o)
				}
			}
		}
		if m.ID != id {
			t.Errorf("id %s", m.ID)
		}
	})
}

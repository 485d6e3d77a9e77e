//go:build unix

package treesync

import (
	"os"
	"path/filepath"
	"testing"
)

func TestIndexOfAnotherBootIsNotBelievedUnlessItWasSynced(t *testing.T) {
	if bootID() == "" {
		t.Skip("this system does not distinguish boots, so only synced indexes are believed")
	}
	for _, c := range []struct {
		info info
		want bool
	}{
		{info{Boot: bootID()}, true},
		{info{Boot: "another"}, false},
		{info{Boot: ""}, false},
		{info{Boot: "another", Durable: true}, true},
	} {
		path := filepath.Join(t.TempDir(), "index")
		w, err := newIndexWriter(path)
		if err != nil {
			t.Fatal(err)
		}
		c.info.Source = "/source"
		w.add("", []entry{{name: "a", size: 7, links: 1}}, nil)
		if err := w.finish(c.info); err != nil {
			t.Fatal(err)
		}
		x := openIndex(path, "/source")
		if (x != nil) != c.want {
			t.Errorf("%+v is believed: %v", c.info, x != nil)
		}
		x.close()
	}
}

func FuzzIndex(f *testing.F) {
	path := filepath.Join(f.TempDir(), "index")
	w, err := newIndexWriter(path)
	if err != nil {
		f.Fatal(err)
	}
	w.add("", []entry{{name: "a", mtime: -1, links: 1}, {name: "b\n", racy: true}}, nil)
	if err := w.finish(info{Source: "/source", Durable: true}); err != nil {
		f.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(raw[10:])
	f.Fuzz(func(t *testing.T, raw []byte) {
		// Neither a damaged file nor a damaged block that passes its checksum
		// may lead to a crash.
		_, _, _ = decodeFolder(raw, nil)
		path := filepath.Join(t.TempDir(), "index")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if x := openIndex(path, "/source"); x != nil {
			_, _ = x.folder("", nil)
			x.close()
		}
	})
}

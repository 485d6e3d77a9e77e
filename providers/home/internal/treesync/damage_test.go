//go:build unix

package treesync_test

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"bkp/providers/home/internal/treesync"
)

// Whatever happened to the index, the pass is right: of what it cannot believe
// it looks at the copy.
func TestDamagedIndexIsNotBelieved(t *testing.T) {
	r := newRig(t)
	for _, rel := range []string{"a/one", "a/two", "b/three"} {
		r.write(t, rel, "content")
	}
	o := r.options()
	r.sync(t, o)
	whole, err := os.ReadFile(r.index)
	if err != nil {
		t.Fatal(err)
	}
	damaged := map[string][]byte{"empty": {}, "truncated": whole[:len(whole)-1], "begun": whole[:len(whole)/2], "longer": append(bytes.Clone(whole), 0)}
	for at := 0; at < len(whole); at += 5 {
		broken := bytes.Clone(whole)
		broken[at] ^= 0x15
		damaged[fmt.Sprint("byte ", at)] = broken
	}
	for name, index := range damaged {
		if err := os.WriteFile(r.index, index, 0o600); err != nil {
			t.Fatal(err)
		}
		files, _ := treesync.Known(r.index, r.src)
		if files != 0 && files != 3 {
			t.Errorf("%s: %d files are known", name, files)
		}
		// Not r.sync: it waits for the clock, and nothing is written here.
		if _, err := treesync.Sync(t.Context(), o); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r.same(t)
	}
}

func TestIndexOfAnotherSourceIsNotBelieved(t *testing.T) {
	a, b := newRig(t), newRig(t)
	a.write(t, "file", "one")
	b.write(t, "file", "two")
	a.sync(t, a.options())
	o := b.options()
	o.Copy, o.Index = a.dst, a.index
	if files, _ := treesync.Known(a.index, b.src); files != 0 {
		t.Errorf("%d files are known", files)
	}
	b.sync(t, o)
	b.dst = a.dst
	b.same(t)
}

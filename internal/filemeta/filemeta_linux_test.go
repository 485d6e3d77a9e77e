package filemeta_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pkg/xattr"
	"golang.org/x/sys/unix"

	"bkp/internal/filemeta"
)

func TestXattrsBecomeExactlyThoseOfMeta(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	write(t, path, "x")
	if err := xattr.Set(path, "user.old", []byte("gone")); errors.Is(err, unix.ENOTSUP) {
		t.Skip("the file system of the temporary folder has no user attributes")
	} else if err != nil {
		t.Fatal(err)
	}
	m, err := filemeta.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	m.Mode = 0o400 // which keeps an ordinary user from setting attributes
	m.Xattrs = map[string][]byte{"user.new": {0, 1, 0xff}, "user.empty": {}}
	if lost, err := filemeta.ApplyAt(openDir(t, filepath.Dir(path)), "a", m); err != nil || lost != 0 {
		t.Fatalf("lost %v, %v", lost, err)
	}
	got, err := filemeta.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.Mode != 0o400 || len(got.Xattrs) != 2 || !bytes.Equal(got.Xattrs["user.new"], []byte{0, 1, 0xff}) {
		t.Errorf("got %v, %q", got.Mode, got.Xattrs)
	}
}

func TestCapabilitySurvivesTheChangeOfOwner(t *testing.T) {
	needRoot(t, "a change of owner")
	path := filepath.Join(t.TempDir(), "a")
	write(t, path, "x")
	// VFS_CAP_REVISION_2 with CAP_NET_BIND_SERVICE permitted and effective.
	capability := []byte{1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	m, err := filemeta.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	m.UID, m.GID, m.Mode = 12345, 12346, 0o755|fs.ModeSetuid
	m.Xattrs = map[string][]byte{"security.capability": capability}
	if lost, err := filemeta.ApplyAt(openDir(t, filepath.Dir(path)), "a", m); err != nil || lost != 0 {
		t.Fatalf("lost %v, %v", lost, err)
	}
	got, err := filemeta.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.UID != 12345 || got.GID != 12346 || got.Mode != m.Mode {
		t.Errorf("got %d:%d %v", got.UID, got.GID, got.Mode)
	}
	if !bytes.Equal(got.Xattrs["security.capability"], capability) {
		t.Errorf("capability is %x", got.Xattrs["security.capability"])
	}
}

func TestWithoutRootTheOwnerIsLostAndSetuidWithIt(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may give files away")
	}
	path := filepath.Join(t.TempDir(), "a")
	write(t, path, "x")
	m, err := filemeta.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	m.UID, m.Mode = 0, 0o755|fs.ModeSetuid
	lost, err := filemeta.ApplyAt(openDir(t, filepath.Dir(path)), "a", m)
	if err != nil || lost != filemeta.LostOwner {
		t.Fatalf("lost %v, %v", lost, err)
	}
	if got, _ := filemeta.Stat(path); got.Mode != 0o755 {
		t.Errorf("mode is %v", got.Mode)
	}
}

func TestMakeSpecialAt(t *testing.T) {
	dir := t.TempDir()
	d := openDir(t, dir)
	cases := []struct {
		name string
		meta filemeta.Meta
		root bool
	}{
		{"fifo", filemeta.Meta{Mode: fs.ModeNamedPipe | 0o640}, false},
		{"null", filemeta.Meta{Mode: fs.ModeDevice | fs.ModeCharDevice | 0o666, Major: 1, Minor: 3}, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.root {
				needRoot(t, "a device")
			}
			c.meta.ModTime = time.Unix(1e9, 7)
			if err := filemeta.MakeSpecialAt(d, c.name, c.meta); errors.Is(err, unix.EPERM) {
				t.Skip("no devices here, not even for root")
			} else if err != nil {
				t.Fatal(err)
			}
			if _, err := filemeta.ApplyAt(d, c.name, c.meta); err != nil {
				t.Fatal(err)
			}
			got, err := filemeta.ReadAt(d, c.name)
			if err != nil {
				t.Fatal(err)
			}
			if got.Mode != c.meta.Mode || got.Major != c.meta.Major || got.Minor != c.meta.Minor || !got.ModTime.Equal(c.meta.ModTime) {
				t.Errorf("got %+v, want %+v", got, c.meta)
			}
		})
	}
	if err := filemeta.MakeSpecialAt(d, "file", filemeta.Meta{Mode: 0o600}); err == nil {
		t.Error("a regular file passed for a special one")
	}
}

func TestDataRanges(t *testing.T) {
	const block = 1 << 20
	path := filepath.Join(t.TempDir(), "sparse")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := f.Truncate(4 * block); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(bytes.Repeat([]byte("x"), block), block); err != nil {
		t.Fatal(err)
	}
	m, err := filemeta.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if !m.Sparse() {
		t.Skip("the file system of the temporary folder has no holes")
	}
	got, err := filemeta.DataRanges(f, 4*block)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0] != (filemeta.Range{Offset: block, Length: block}) {
		t.Errorf("got %v", got)
	}
	if got, err := filemeta.DataRanges(f, block/2); err != nil || len(got) != 0 {
		t.Errorf("of the hole alone: %v, %v", got, err)
	}
}

func needRoot(t *testing.T, what string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip(what + " needs root")
	}
}

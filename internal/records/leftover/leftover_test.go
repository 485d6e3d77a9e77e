package leftover_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"bkp/internal/records/leftover"
)

type record struct{ Path string }

func TestARecordIsKeptUntilItIsRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.json")
	var got record
	if found, err := leftover.Load(path, &got); found || err != nil || leftover.Exists(path) {
		t.Errorf("found %v, %v", found, err)
	}
	for _, want := range []string{"first", "second"} {
		if err := leftover.Save(path, record{want}); err != nil {
			t.Fatal(err)
		}
		if found, err := leftover.Load(path, &got); !found || err != nil || got.Path != want || !leftover.Exists(path) {
			t.Errorf("found %v, %+v, %v", found, got, err)
		}
	}
	if err := errors.Join(os.Remove(path), os.WriteFile(path+".partial", []byte(`{"Pa`), 0o600)); err != nil {
		t.Fatal(err)
	}
	if !leftover.Exists(path) {
		t.Error("the beginning of a record is not seen")
	}
	if found, err := leftover.Load(path, &got); found || err != nil || leftover.Exists(path) {
		t.Errorf("the beginning of a record: found %v, %v", found, err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := leftover.Load(path, &got); err == nil {
		t.Error("a record that is torn is read")
	}
}

// TestClosedFoldersAreRemoved: also those whose names are not UTF-8, as an
// ordinary user.
func TestClosedFoldersAreRemoved(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("names of any bytes are Linux's")
	}
	top, outside := filepath.Join(t.TempDir(), "top"), t.TempDir()
	file := filepath.Join(outside, "file")
	for _, dir := range []string{"a/b\xff/c", "d/e", "f"} {
		if err := os.MkdirAll(filepath.Join(top, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Symlink(outside, filepath.Join(top, "link")), os.Chmod(filepath.Join(top, "a/b\xff"), 0),
		os.Chmod(filepath.Join(top, "a"), 0o500), os.Chmod(filepath.Join(top, "d"), 0o500), os.Chmod(top, 0o500)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := leftover.Remove(top); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(top); err == nil {
		t.Error("it is still there")
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("a link was followed: %v", err)
	}
}

package running_test

import (
	"os"
	"path/filepath"
	"testing"

	"bkp/internal/records/running"
)

func TestARecordIsReadAsItWasWritten(t *testing.T) {
	dir := t.TempDir()
	if r, err := running.Read(dir); r != nil || err != nil {
		t.Fatalf("without one: %v, %v", r, err)
	}
	want := running.Record{Command: "apply", PID: 7, Host: "h"}
	want.Set(running.Run{Backup: "x", Instance: "a"})
	want.Set(running.Run{Backup: "y", Instance: "b"})
	want.Set(running.Run{Backup: "z", Instance: "a", Step: &running.Step{Address: "home.a.b"}})
	if err := running.Write(dir, want); err != nil {
		t.Fatal(err)
	}
	got, err := running.Read(dir)
	if err != nil || len(got.Runs) != 2 || got.Runs[1].Backup != "z" || got.Runs[1].Step.Address != "home.a.b" || got.PID != 7 {
		t.Errorf("got %+v, %v", got, err)
	}
	got.Drop("a")
	if len(got.Runs) != 1 || got.Runs[0].Instance != "b" {
		t.Errorf("after the drop: %+v", got.Runs)
	}
	if err := os.WriteFile(filepath.Join(dir, "running.json.partial"), nil, 0o600); err != nil { // of a run that was killed
		t.Fatal(err)
	}
	if err := running.Write(dir, want); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "running.json.partial"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := running.Remove(dir); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestADamagedRecordIsAnError, and one that is no file does not block.
func TestADamagedRecordIsAnError(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"half a record": func(path string) error { return os.WriteFile(path, []byte(`{"command":`), 0o600) },
		"a folder":      func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := make(filepath.Join(dir, "running.json")); err != nil {
				t.Fatal(err)
			}
			if r, err := running.Read(dir); err == nil {
				t.Errorf("it is %+v", r)
			}
		})
	}
}

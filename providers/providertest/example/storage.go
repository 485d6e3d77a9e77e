//go:build unix

// Package example is what the example strategies share: a folder that stands for
// a storage which keeps snapshots, each with a tag. Only tests use them: they
// prove that a strategy of a new kind needs one package and one line.
package example

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"bkp/internal/problem"
	"bkp/providers"
)

// Storage keeps snapshots named by their backup. Its methods implement those of
// a strategy.
type Storage struct{ Dir string }

// Path of the snapshot of b.
func (s Storage) Path(b providers.BackupID) string { return filepath.Join(s.Dir, string(b)) }

func (s Storage) tag(b providers.BackupID) string { return s.Path(b) + ".tag" }

// Tag makes the snapshot stay, with m.
func (s Storage) Tag(m providers.Manifest) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	part := s.tag(m.ID) + ".part"
	if err := os.WriteFile(part, text, 0o600); err != nil {
		return err
	}
	return os.Rename(part, s.tag(m.ID))
}

// Discard removes what was taken for b and is not tagged.
func (s Storage) Discard(_ context.Context, b providers.BackupID) error {
	if _, err := os.Stat(s.tag(b)); err == nil {
		return nil
	}
	return errors.Join(os.RemoveAll(s.tag(b)+".part"), os.RemoveAll(s.Path(b)), os.RemoveAll(s.Path(b)+".running"))
}

// List implements providers.Shelf.
func (s Storage) List(context.Context) ([]providers.Manifest, []providers.Finding, error) {
	entries, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	var out []providers.Manifest
	for _, e := range slices.Backward(entries) {
		id, ok := strings.CutSuffix(e.Name(), ".tag")
		if !ok {
			continue
		}
		var m providers.Manifest
		text, err := os.ReadFile(s.tag(providers.BackupID(id)))
		if err == nil {
			err = json.Unmarshal(text, &m)
		}
		if err != nil {
			return nil, nil, err
		}
		out = append(out, m)
	}
	return out, nil, err
}

// Verify implements providers.Shelf.
func (s Storage) Verify(_ context.Context, b providers.BackupID) ([]providers.Finding, error) {
	if _, err := os.Stat(s.tag(b)); err != nil {
		return nil, fmt.Errorf("%w: %s", providers.ErrNotFound, b)
	}
	if _, err := os.Stat(s.Path(b)); err != nil {
		return []providers.Finding{*problem.Wrap(err, "snapshot is damaged", "restore another backup")}, nil
	}
	return nil, nil
}

// Delete implements providers.Shelf. The tag goes last: until then somebody knows
// of the snapshot.
func (s Storage) Delete(_ context.Context, b providers.BackupID) error {
	return errors.Join(os.RemoveAll(s.Path(b)), os.RemoveAll(s.tag(b)))
}

// DieAt kills this process if the storage holds a file "die at VERB", which it
// takes away first.
func (s Storage) DieAt(verb providers.Verb) {
	if os.Remove(filepath.Join(s.Dir, "die at "+string(verb))) == nil {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
}

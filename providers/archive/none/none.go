package none

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
)

const (
	onlyCopy        = "working copy is the only copy"
	noDigests       = "working copy has no checksums"
	treeGone        = "working copy is gone"
	manifestDamaged = "manifest is damaged"
	manifestSuffix  = ".manifest.json"
	anotherRemedy   = "run a backup; declare an archive to keep more than the last one"
)

// Config is the block archive "none", which has no attributes.
type Config struct{}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Archives, "none", "no archive: the working copy is the backup, until the next run", Config{},
		func(_ Config, env providers.Env) (providers.Archiver, error) { return &archive{env: env}, nil }, providers.Empty())
}

type archive struct {
	providers.InPlace
	env providers.Env
}

// Check implements providers.Archiver.
func (a *archive) Check(_ context.Context, e providers.Estimate) (providers.Report, error) {
	r := providers.Report{
		Estimate: e,
		Does: map[providers.Verb]string{
			providers.Store:   "leave the artifacts in the working copy",
			providers.Restore: "restore from the working copy",
		},
	}
	r.Add(problem.Warn(onlyCopy, a.env.Address+" keeps nothing apart", "the next run overwrites it; declare an archive to keep backups"))
	return r, nil
}

// Store keeps the manifest, and forgets the backups before: their working copy
// is this backup's now. It reads no tree.
func (a *archive) Store(ctx context.Context, m providers.Manifest, _ providers.Records) (providers.Stored, error) {
	stored := providers.Stored{Archive: a.env.Address}
	if _, err := providers.ParseBackupID(string(m.ID)); err != nil {
		return stored, err
	}
	for _, art := range m.Artifacts {
		for _, t := range art.Trees {
			if _, err := os.Stat(t.Path); err != nil {
				return stored, err
			}
			stored.Location = strings.TrimPrefix(stored.Location+", "+t.Path, ", ")
		}
	}
	data, err := json.MarshalIndent(m.With(stored), "", "  ")
	if err != nil {
		return stored, err
	}
	if err := os.MkdirAll(a.env.WorkDir, 0o700); err != nil {
		return stored, err
	}
	before, err := a.ids()
	if err != nil {
		return stored, err
	}
	for _, b := range before {
		if err := a.Delete(ctx, b); err != nil {
			return stored, err
		}
	}
	return stored, writeFile(a.path(m.ID), data)
}

func writeFile(path string, data []byte) error {
	f, err := os.OpenFile(path+".partial", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync())
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), path)
}

func (a *archive) path(b providers.BackupID) string {
	return filepath.Join(a.env.WorkDir, string(b)+manifestSuffix)
}

func (a *archive) ids() ([]providers.BackupID, error) {
	entries, err := os.ReadDir(a.env.WorkDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []providers.BackupID
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), manifestSuffix)
		if b, err := providers.ParseBackupID(name); ok && err == nil {
			out = append(out, b)
		}
	}
	return out, err
}

func (a *archive) load(b providers.BackupID) (providers.Manifest, error) {
	var m providers.Manifest
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return m, err
	}
	data, err := os.ReadFile(a.path(b))
	if errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("%w: %s, which another run has overwritten, or which is kept elsewhere", providers.ErrNotFound, b)
	}
	if err != nil {
		return m, err
	}
	err = json.Unmarshal(data, &m)
	if err == nil && (m.ID != b || m.Format > providers.ManifestFormat) {
		err = fmt.Errorf("backup %s, format %d", m.ID, m.Format)
	}
	if err != nil {
		return m, problem.Wrapf(err, manifestDamaged, anotherRemedy, "%s", a.path(b))
	}
	return m, nil
}

// missing names the artifacts whose trees are gone.
func missing(m providers.Manifest) []string {
	var out []string
	for _, art := range m.Artifacts {
		for _, t := range art.Trees {
			if info, err := os.Stat(t.Path); err != nil || !info.IsDir() {
				out = append(out, fmt.Sprintf("%s in %s", art.Address, t.Path))
			}
		}
	}
	return out
}

// List implements providers.Archiver.
func (a *archive) List(context.Context) ([]providers.Manifest, []providers.Finding, error) {
	ids, err := a.ids()
	if err != nil {
		return nil, nil, err
	}
	var out []providers.Manifest
	var r providers.Report
	for _, b := range ids {
		m, err := a.load(b)
		if err != nil {
			r.Add(problem.Wrap(err, manifestDamaged, anotherRemedy))
			continue
		}
		if gone := missing(m); len(gone) > 0 {
			r.Add(problem.Warn(treeGone, fmt.Sprintf("%s: %s", b, strings.Join(gone, ", ")), anotherRemedy))
			continue
		}
		out = append(out, m)
	}
	return out, r.Findings, nil
}

// Verify reports whether the trees are there, and that there are no digests to
// compare.
func (a *archive) Verify(_ context.Context, b providers.BackupID) ([]providers.Finding, error) {
	m, err := a.load(b)
	var damaged *problem.Problem
	if errors.As(err, &damaged) {
		return []providers.Finding{*damaged}, nil
	}
	if err != nil {
		return nil, err
	}
	var r providers.Report
	for _, gone := range missing(m) {
		r.Add(problem.New(treeGone, gone, anotherRemedy))
	}
	if len(r.Findings) == 0 {
		r.Add(problem.Warn(noDigests, "of "+string(b)+" it is only known that its working copy is there", "declare an archive, whose every byte can be verified"))
	}
	return r.Findings, nil
}

// Fetch leaves the trees where they are: the artifacts of the manifest name
// them, and not the folders of dir.
func (a *archive) Fetch(_ context.Context, b providers.BackupID, _ func(providers.Artifact) string) (providers.Manifest, error) {
	m, err := a.load(b)
	if err != nil {
		return m, err
	}
	if gone := missing(m); len(gone) > 0 {
		return m, problem.New(treeGone, strings.Join(gone, ", "), anotherRemedy)
	}
	return m, nil
}

// Delete forgets the backup. The working copy stays, for the next run.
func (a *archive) Delete(_ context.Context, b providers.BackupID) error {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return err
	}
	return os.RemoveAll(a.path(b))
}

// Discard implements providers.Archiver.
func (a *archive) Discard(_ context.Context, b providers.BackupID) error {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return err
	}
	return os.RemoveAll(a.path(b) + ".partial")
}

package command

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

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

// Keeper is a Part whose backups may stay in the storage.
type Keeper struct{ *Part }

// record is what the state folder knows of a backup that was kept. When it is
// lost, the note in the storage and the answer of list take its place.
type record struct {
	Manifest providers.Manifest `json:"manifest"`
	// Readable is set until release has ended what reading the trees needed.
	Readable bool `json:"readable,omitempty"`
}

// artifact is this component's.
func (r record) artifact(address string) providers.Artifact {
	a, _ := r.Manifest.Artifact(address)
	return a
}

func (p *Part) keptDir() string { return filepath.Join(p.Env.WorkDir, "kept") }

func (p *Part) recordPath(b providers.BackupID) string {
	return filepath.Join(p.keptDir(), string(b)+".json")
}

// record reads the record of b, nil if there is no record.
func (p *Part) record(b providers.BackupID) (*record, error) {
	text, err := os.ReadFile(p.recordPath(b))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var r record
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return nil, problem.Wrap(err, "record of a kept backup cannot be read", "move the file away: what the storage knows of the backup stays\n\n    mv "+p.recordPath(b)+" "+p.recordPath(b)+".old\n")
	}
	return &r, nil
}

// writeRecord makes the record safe on disk.
func (p *Part) writeRecord(r record) (err error) {
	if err := os.MkdirAll(p.keptDir(), 0o700); err != nil {
		return err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(p.keptDir(), ".part-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), p.recordPath(r.Manifest.ID)); err != nil {
		return err
	}
	return host.SyncDir(p.keptDir())
}

// records are the ids of all that were kept.
func (p *Part) records() ([]providers.BackupID, error) {
	entries, err := os.ReadDir(p.keptDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []providers.BackupID
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if id, err := providers.ParseBackupID(name); ok && err == nil {
			out = append(out, id)
		}
	}
	return out, err
}

// note is what the storage is asked to keep with a backup: all that cannot be
// known otherwise once the state folder is lost. It is short, as the comments of
// snapshots are.
func note(m providers.Manifest) string { return strings.TrimSpace(m.URL + " " + m.BitbucketVersion) }

// Keep implements providers.Keeper. The storage comes first: a record without
// its mark would keep discard away from what nobody lists.
func (k *Keeper) Keep(ctx context.Context, m providers.Manifest, a providers.Artifact) (providers.Artifact, error) {
	if len(answerOf(a).Ref) == 0 {
		return a, problem.New("command gave no ref to keep", fmt.Sprintf("%s of %s gave trees alone, and archive \"snapshots\" keeps what a ref stands for", a.Address, m.ID),
			"let capture or finish print a ref, or use an archive that stores trees")
	}
	q := about(a)
	q.Note = note(m)
	if _, err := k.ask(ctx, Keep, q); err != nil {
		return a, err
	}
	readable := len(a.Trees) > 0
	a.Life = providers.Native
	if err := k.writeRecord(record{Manifest: m, Readable: readable}); err != nil {
		return a, problem.Wrap(err, "state folder not writable", "set state_dir to a folder that this user may write to")
	}
	return a, nil
}

// SweepKept ends what reading the trees of kept backups needed.
func (p *Part) SweepKept(ctx context.Context) error {
	ids, err := p.records()
	for _, id := range ids {
		r, errRead := p.record(id)
		if errRead == nil {
			errRead = p.release(ctx, *r)
		}
		err = errors.Join(err, errRead)
	}
	return err
}

func (p *Part) release(ctx context.Context, r record) error {
	if !r.Readable {
		return nil
	}
	if _, err := p.ask(ctx, Release, about(r.artifact(p.Env.Address))); err != nil {
		return err
	}
	r.Readable = false
	return p.writeRecord(r)
}

// List implements providers.Shelf.
func (k *Keeper) List(ctx context.Context) ([]providers.Manifest, []providers.Finding, error) {
	answer, err := k.ask(ctx, List, Request{})
	if err != nil {
		return nil, nil, err
	}
	var out []providers.Manifest
	var r providers.Report
	for _, found := range answer.Backups {
		name := k.Env.Instance.Name
		if name != "" && found.Backup.Instance() != name {
			continue
		}
		m, err := k.manifest(found)
		if err != nil {
			r.Add(problem.Wrap(err, "backup in the storage is not known", ""))
			continue
		}
		if m == nil {
			r.Add(problem.Warn("backup in the storage is not known", fmt.Sprintf("%s lists %s, and neither the state folder nor its note says that it is complete", k.Env.Address, found.Backup),
				"if nobody needs it, remove it in the storage"))
			continue
		}
		out = append(out, *m)
	}
	ids, err := k.records()
	for _, id := range ids {
		if !slices.ContainsFunc(answer.Backups, func(f Kept) bool { return f.Backup == id }) {
			r.Add(lost(k.Env.Address, id, "if it is gone for good, remove its record:\n\n    rm "+k.recordPath(id)))
		}
	}
	slices.SortFunc(out, func(x, y providers.Manifest) int { return y.ID.Time().Compare(x.ID.Time()) })
	return out, r.Findings, err
}

// lost is about a backup that was kept and is not listed any more.
func lost(address string, b providers.BackupID, remedy string) *problem.Problem {
	return problem.New("snapshot is missing", fmt.Sprintf("%s does not list %s any more", address, b), remedy)
}

// manifest is that of a backup which the storage has, nil if it is not known to be
// complete.
func (k *Keeper) manifest(found Kept) (*providers.Manifest, error) {
	r, err := k.record(found.Backup)
	if err != nil {
		return nil, err
	}
	if r != nil {
		return &r.Manifest, nil
	}
	if found.Note == "" {
		return nil, nil
	}
	url, version, _ := strings.Cut(found.Note, " ")
	a := providers.Artifact{Address: k.Env.Address, Strategy: k.Strategy, Life: providers.Native, PointInTime: found.Backup.Time()}
	k.fillIn(&a, found.Backup, Answer{Ref: found.Ref, Facts: found.Facts})
	return &providers.Manifest{
		Format: providers.ManifestFormat, ID: found.Backup, Instance: found.Backup.Instance(), URL: url, BitbucketVersion: version, Created: found.Backup.Time(),
		Artifacts: []providers.Artifact{a},
	}, nil
}

// has reports whether the storage has b.
func (p *Part) has(ctx context.Context, b providers.BackupID) (bool, error) {
	answer, err := p.ask(ctx, List, Request{})
	return slices.ContainsFunc(answer.Backups, func(f Kept) bool { return f.Backup == b }), err
}

// Verify implements providers.Shelf. That the bytes are right only the storage
// knows.
func (k *Keeper) Verify(ctx context.Context, b providers.BackupID) ([]providers.Finding, error) {
	there, err := k.has(ctx, b)
	if err == nil && !there {
		err = fmt.Errorf("%w: %s", providers.ErrNotFound, b)
	}
	return nil, err
}

// Delete implements providers.Shelf. The record goes last: until then the next
// call knows of the backup.
func (k *Keeper) Delete(ctx context.Context, b providers.BackupID) error {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return err
	}
	q := Request{Backup: b}
	if r, err := k.record(b); err == nil && r != nil {
		q = about(r.artifact(k.Env.Address))
		q.Backup = b
	}
	if _, err := k.ask(ctx, Delete, q); err != nil {
		return err
	}
	if err := os.Remove(k.recordPath(b)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

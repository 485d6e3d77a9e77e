package btrfs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home/internal/snapshot"
)

const (
	tagFile      = "tag.json"
	manifestFile = "manifest.json"
	// most is how large they may be, in bytes.
	most = 16 << 20
)

// record is what lies beside the snapshots of one backup on one file system. The
// snapshot of a volume is named by its number.
type record struct {
	Tag     snapshot.Tag      `json:"tag"`
	Volumes []snapshot.Volume `json:"volumes"`

	dir string
}

func (r record) path(volume int) string { return filepath.Join(r.dir, strconv.Itoa(volume)) }

// records are the records of a folder for snapshots. Whatever else lies there is not ours.
func records(place string) ([]record, []providers.Finding, error) {
	entries, err := os.ReadDir(place)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, problem.Wrap(err, "folder for snapshots cannot be read", "run bkp as root")
	}
	var out []record
	var rep providers.Report
	for _, e := range entries {
		dir := filepath.Join(place, e.Name())
		text, err := host.ReadRegular(filepath.Join(dir, tagFile), most)
		if !e.IsDir() || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		r := record{dir: dir}
		if err == nil {
			err = json.Unmarshal(text, &r)
		}
		if err == nil {
			_, err = providers.ParseBackupID(string(r.Tag.Backup))
		}
		if err != nil {
			rep.Add(problem.Wrapf(err, "record of snapshots cannot be read", "see what lies there, and remove it with btrfs subvolume delete if it is not needed", "%s", dir))
			continue
		}
		out = append(out, r)
	}
	return out, rep.Findings, nil
}

// of are the records with a tag.
func (s *storage) of(t snapshot.Tag) ([]record, error) {
	places, err := s.places()
	if err != nil {
		return nil, err
	}
	var out []record
	for _, place := range places {
		all, _, err := records(place)
		if err != nil {
			return nil, err
		}
		for _, r := range all {
			if r.Tag == t {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

// Atomic implements snapshot.Storage.
func (*storage) Atomic(volumes []snapshot.Volume) bool { return len(volumes) < 2 }

// Prepare implements snapshot.Storage.
func (s *storage) Prepare(ctx context.Context, t snapshot.Tag, volumes []snapshot.Volume) error {
	if _, err := s.makeRecords(t, volumes); err != nil {
		return err
	}
	return s.Warm(ctx, volumes)
}

// makeRecords makes the folders for the snapshots of a backup, one on each file
// system.
func (s *storage) makeRecords(t snapshot.Tag, volumes []snapshot.Volume) ([]record, error) {
	byPlace := map[string][]snapshot.Volume{}
	for _, v := range volumes {
		place, err := s.place(v.Root)
		if err != nil {
			return nil, err
		}
		byPlace[place] = append(byPlace[place], v)
	}
	var out []record
	for place, on := range byPlace {
		r := record{Tag: t, Volumes: on, dir: filepath.Join(place, fmt.Sprintf("%s-%s-%s", t.Backup, t.Address, t.Owner))}
		if err := r.write(); err != nil {
			return nil, problem.Wrap(err, "folder for snapshots cannot be written", "run bkp as root, or name another folder in snapshots")
		}
		out = append(out, r)
	}
	return out, nil
}

func (r record) write() error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return err
	}
	return writeFile(filepath.Join(r.dir, tagFile), text)
}

// Warm implements snapshot.Storage: a snapshot waits until its subvolume is on
// disk, so as little as possible is to be left to it.
func (*storage) Warm(ctx context.Context, volumes []snapshot.Volume) error {
	return snapshot.Sync(ctx, volumes)
}

// Take implements snapshot.Storage.
func (s *storage) Take(ctx context.Context, t snapshot.Tag, volumes []snapshot.Volume) ([]snapshot.Snapshot, error) {
	prepared, err := s.of(t)
	if err != nil {
		return nil, err
	}
	if len(prepared) == 0 { // somebody has discarded it since
		if prepared, err = s.makeRecords(t, volumes); err != nil {
			return nil, err
		}
	}
	out := make([]snapshot.Snapshot, 0, len(volumes))
	for _, v := range volumes {
		path := pathIn(prepared, v)
		if path == "" {
			return nil, problem.New("folder for snapshots is gone", "that of "+v.Name+" was there before the lock", "find out who removed it, then run again")
		}
		if _, err := s.tool.run(ctx, "subvolume", "snapshot", "-r", "--", v.Root, path); err != nil {
			return nil, err
		}
		out = append(out, snapshot.Snapshot{Volume: v, Name: path, At: time.Now().UTC()})
	}
	return out, nil
}

// pathIn is where the snapshot of v goes, "" if no record is for it.
func pathIn(records []record, v snapshot.Volume) string {
	for _, r := range records {
		if i := slices.IndexFunc(r.Volumes, func(o snapshot.Volume) bool { return o.ID == v.ID }); i >= 0 {
			return r.path(i)
		}
	}
	return ""
}

// Sets implements snapshot.Storage.
func (s *storage) Sets(ctx context.Context) ([]snapshot.Set, []providers.Finding, error) {
	places, err := s.places()
	if err != nil {
		return nil, nil, err
	}
	var out []snapshot.Set
	var findings []providers.Finding
	for _, place := range places {
		all, found, err := records(place)
		if err != nil {
			return nil, nil, err
		}
		findings = append(findings, found...)
		for _, r := range all {
			set, err := s.load(ctx, r)
			if err != nil {
				return nil, nil, err
			}
			out = merge(out, set)
		}
	}
	return out, findings, nil
}

// merge adds what one file system has of a set. It is kept if all of them keep
// it.
func merge(sets []snapshot.Set, one snapshot.Set) []snapshot.Set {
	i := slices.IndexFunc(sets, func(s snapshot.Set) bool { return s.Tag == one.Tag })
	if i < 0 {
		return append(sets, one)
	}
	sets[i].Snapshots = append(sets[i].Snapshots, one.Snapshots...)
	if !one.Kept() {
		sets[i].Manifest = nil
	}
	return sets
}

// load looks which snapshots of a record are there.
func (s *storage) load(ctx context.Context, r record) (snapshot.Set, error) {
	set := snapshot.Set{Tag: r.Tag}
	for i, v := range r.Volumes {
		sn, err := s.look(ctx, v, r.path(i))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return set, err
		}
		set.Snapshots = append(set.Snapshots, sn)
	}
	text, err := host.ReadRegular(filepath.Join(r.dir, manifestFile), most)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return set, problem.Wrap(err, "manifest of a snapshot cannot be read", "run bkp as root, and see what the system's log says of the disk")
	}
	set.Manifest = text
	return set, nil
}

// look looks at the snapshot of v. What is there and is none is taken for not
// there.
func (s *storage) look(ctx context.Context, v snapshot.Volume, path string) (snapshot.Snapshot, error) {
	is, err := isRoot(path)
	if err != nil {
		return snapshot.Snapshot{}, err
	}
	if !is {
		return snapshot.Snapshot{}, fmt.Errorf("%s is no subvolume: %w", path, fs.ErrNotExist)
	}
	sub, err := s.tool.show(ctx, path)
	if err != nil {
		return snapshot.Snapshot{}, err
	}
	if sub.parent != v.ID {
		return snapshot.Snapshot{}, fmt.Errorf("%s is no snapshot of %s: %w", path, v.Name, fs.ErrNotExist)
	}
	return snapshot.Snapshot{Volume: v, ID: sub.uuid, Name: path, Generation: sub.generation, At: sub.made}, nil
}

// Mount implements snapshot.Storage.
func (*storage) Mount(_ context.Context, sn snapshot.Snapshot, dir string) error {
	return snapshot.Bind(sn.Name, dir)
}

// Release implements snapshot.Storage: nothing was made.
func (*storage) Release(context.Context, snapshot.Snapshot) error { return nil }

// Intact implements snapshot.Storage.
func (s *storage) Intact(ctx context.Context, sn snapshot.Snapshot) error {
	now, err := s.look(ctx, sn.Volume, sn.Name)
	if err == nil && sn.ID != "" && now.ID != sn.ID {
		err = fmt.Errorf("it is another snapshot: %w", fs.ErrNotExist)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return problem.Wrapf(err, "snapshot is gone", "find out who removed it, such as a tool that cleans up snapshots; make another backup", "%s", sn.Name)
	}
	return err
}

// Keep implements snapshot.Storage.
func (s *storage) Keep(_ context.Context, set snapshot.Set, manifest []byte) error {
	all, err := s.of(set.Tag)
	if err != nil {
		return err
	}
	for _, r := range all {
		if err := writeFile(filepath.Join(r.dir, manifestFile), manifest); err != nil {
			return problem.Wrap(err, "snapshot cannot be kept", "see whether the file system is full or read-only")
		}
		if err := snapshot.SyncAt(r.dir); err != nil {
			return problem.Wrap(err, "snapshot cannot be kept", "see what the system's log says of the disk")
		}
	}
	return nil
}

// Delete implements snapshot.Storage.
func (s *storage) Delete(ctx context.Context, set snapshot.Set) error {
	all, err := s.of(set.Tag)
	if err != nil {
		return err
	}
	for _, r := range all {
		if err := s.remove(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// remove removes the snapshots of a record, then the record. Somebody may have
// put something else in their place: that stays, and the record with it.
func (s *storage) remove(ctx context.Context, r record) error {
	for i, v := range r.Volumes {
		sn, err := s.look(ctx, v, r.path(i))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if _, err := s.tool.run(ctx, "subvolume", "delete", "--", sn.Name); err != nil {
			return problem.Wrapf(err, "snapshot cannot be removed", "see who uses it; the next run tries again", "%s", sn.Name)
		}
	}
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != manifestFile && e.Name() != tagFile {
			return problem.New("folder of a snapshot cannot be removed", filepath.Join(r.dir, e.Name())+" is nothing that bkp put there", "look what it is, and remove it")
		}
	}
	for _, name := range []string{manifestFile, tagFile} {
		if err := os.Remove(filepath.Join(r.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.Remove(r.dir)
}

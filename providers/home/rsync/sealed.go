package rsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"bkp/internal/filemeta"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/home/internal/treesync"
)

// rsync believes a file of the working copy that has the right size and time. So
// the content of the copy is kept in an index, as digests, and an archive compares
// while it reads. Digests are made live, after the first pass, and of what later
// passes wrote after the unlock. That nothing else wrote there in between follows
// from what rsync reports to have written, and from the ctime of the last of it.

// mostSeals is how often the copy is sealed in a live pass if something else goes
// on writing to it. What is not right then fails the backup when it is stored.
const mostSeals = 3

// seals are what is known of the content of the working copy during a run.
type seals struct {
	// begun is true from the first pass of this process on.
	begun bool
	// live says that the first live pass has been sealed.
	live bool
	// again: an earlier run ended without a seal, so that what differs is its work.
	again bool
	// parts by their name.
	parts map[string]*sealed
	// until is when the last pass had written everything.
	until time.Time
	// done says that all is sealed; damage is what was found then.
	done   bool
	damage *providers.DamageError
}

// sealed is a part of the working copy.
type sealed struct {
	treesync.Comparison
	// wrote is what rsync wrote since the index; nil if all of it may be.
	wrote *written
}

var _ providers.Recorder = (*strategy)(nil)

// unsealed is a file that is there from the first pass of a run until the index has
// what the last one wrote.
func (s *strategy) unsealed() string { return filepath.Join(s.Env.WorkDir, "unsealed") }

func (s *strategy) ledger(p home.Part) treesync.Ledger {
	return treesync.Ledger{Source: p.Source, Copy: s.CopyOf(p), Index: s.Index(p), Workers: max(s.Env.Parallelism, 2)}
}

// compare finds, before the first live pass, what cannot be believed of the copy.
func (s *strategy) compare(ctx context.Context) error {
	s.seals = seals{begun: true, parts: map[string]*sealed{}}
	for _, p := range s.Parts() {
		c, err := s.ledger(p).Compare(ctx)
		if err != nil {
			return err
		}
		one := &sealed{Comparison: c}
		if c.Indexed {
			one.wrote = newWritten(s.Env.Log)
			one.wrote.addFolders(c.Folders)
		}
		s.seals.parts[p.Name] = one
	}
	_, err := os.Lstat(s.unsealed())
	s.seals.again = err == nil
	if err := os.WriteFile(s.unsealed(), nil, 0o600); err != nil {
		return problem.Wrap(err, "state folder not writable", "run as a user who may write there, or set state_dir")
	}
	return nil
}

// content adds to a full pass that it compares the content of files, where nothing
// is known of the copy.
func (s *strategy) content(p home.Part, args []string) []string {
	if one := s.seals.parts[p.Name]; one != nil && one.Unknown && !s.seals.live {
		return append([]string{"--checksum"}, args...)
	}
	return args
}

// sealLive sends, after the first live pass, what could not be believed, and makes
// the digests of all that is there.
func (s *strategy) sealLive(ctx context.Context) error {
	if s.seals.live || !s.seals.begun {
		return nil
	}
	begun := time.Now()
	for i, p := range s.Parts() {
		if err := s.sealPart(ctx, i, p, s.seals.parts[p.Name]); err != nil {
			return err
		}
	}
	s.seals.live = true
	if time.Since(begun) > worthAPass {
		return s.sendChanged(ctx, nil) // rather now than under the lock
	}
	return nil
}

// worthAPass is how long sealing may take before what changed meanwhile is sent
// live.
const worthAPass = 2 * time.Second

func (s *strategy) sealPart(ctx context.Context, i int, p home.Part, one *sealed) error {
	s.warnSuspects(p, one.Suspects)
	for range mostSeals {
		if err := s.resend(ctx, i, p, one); err != nil {
			return err
		}
		aliens, err := s.ledger(p).Seal(ctx, treesync.Written{By: one.wrote.by(), Folders: one.wrote.in()})
		if err != nil {
			return err
		}
		one.wrote = newWritten(s.Env.Log)
		if len(aliens) == 0 {
			return nil
		}
		if one.Comparison, err = s.ledger(p).Compare(ctx); err != nil {
			return err
		}
		for _, a := range aliens {
			one.Suspects = append(one.Suspects, a.Name)
		}
		one.wrote.addFolders(one.Folders)
		s.warnSuspects(p, one.Suspects)
	}
	return nil
}

// resend copies what cannot be believed, whatever its size and time are.
func (s *strategy) resend(ctx context.Context, i int, p home.Part, one *sealed) error {
	if len(one.Suspects) == 0 {
		return nil
	}
	one.wrote.add(one.Suspects)
	files, err := changed(ctx, p, one.Suspects, time.Time{})
	if err != nil {
		return err
	}
	one.wrote.add(files)
	one.Suspects = nil
	return s.send(ctx, false, map[int][]string{i: files})
}

// suspectAgain adds what could not be believed to what is sent under the lock. It
// is for a run without a live pass.
func (s *strategy) suspectAgain(ctx context.Context) error {
	for i, p := range s.Parts() {
		one := s.seals.parts[p.Name]
		one.wrote.add(one.Suspects)
		files, err := changed(ctx, p, one.Suspects, time.Time{})
		if err != nil {
			return err
		}
		one.wrote.add(files)
		s.torn.again[i] = append(s.torn.again[i], files...)
	}
	return nil
}

// reporting makes an rsync with these arguments report what it writes, where that is
// collected.
func (s *strategy) reporting(p home.Part, args []string) (io.Writer, []string) {
	one := s.seals.parts[p.Name]
	if one == nil || one.wrote == nil {
		return s.Env.Log, args
	}
	return &report{of: one.wrote}, append([]string{itemized}, args...)
}

// failed notes that an rsync over a part ended with an error.
func (s *strategy) failed(p home.Part) {
	if one := s.seals.parts[p.Name]; one != nil {
		one.wrote.anything()
	}
}

func (s *strategy) warnSuspects(p home.Part, names []string) {
	if len(names) == 0 || s.seals.again {
		return
	}
	const most = 3
	s.Env.Warning(fmt.Sprintf("working copy was changed by something else since the last run: %d entries below %s differ, such as %q; "+
		"this run copied them again, find out what writes there", len(names), s.CopyOf(p), names[:min(len(names), most)]))
}

// captured notes, under the lock, when the last pass had written everything, by the
// clock of the state folder.
func (s *strategy) captured() error {
	now := time.Now()
	if err := os.Chtimes(s.unsealed(), now, now); err != nil {
		return err
	}
	m, err := filemeta.Stat(s.unsealed())
	s.seals.until = m.ChangeTime
	return err
}

// Record implements providers.Recorder. What the passes under the lock wrote is
// read now.
func (s *strategy) Record(ctx context.Context, a providers.Artifact) (providers.Record, error) {
	if err := s.OwnCopy(a); err != nil {
		return nil, err
	}
	if err := s.seal(ctx); err != nil {
		return nil, err
	}
	if _, err := os.Lstat(s.unsealed()); !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("%w: the run that made the working copy ended before its digests were made", providers.ErrNotFound), err)
	}
	return s.OpenRecord(s.seals.damage)
}

// seal makes the last digests of this run; again, it does nothing.
func (s *strategy) seal(ctx context.Context) error {
	if !s.seals.begun || s.seals.done || s.seals.until.IsZero() {
		return nil
	}
	d := &providers.DamageError{Address: s.Env.Address, Tree: s.CopyDir()}
	for _, p := range s.Parts() {
		one := s.seals.parts[p.Name]
		aliens, err := s.ledger(p).Seal(ctx, treesync.Written{By: one.wrote.by(), Folders: one.wrote.in(), Until: s.seals.until})
		if err != nil {
			return err
		}
		damaged(d, p, aliens)
	}
	if d.Count > 0 {
		s.seals.damage = d
	}
	s.seals.done = true
	return os.Remove(s.unsealed())
}

// damaged adds to d what something else changed in a part.
func damaged(d *providers.DamageError, p home.Part, aliens []treesync.Alien) {
	const named = 5
	for _, a := range aliens {
		name := path.Join(p.Name, a.Name)
		d.Count++
		if len(d.Found) < named {
			d.Found = append(d.Found, fmt.Sprintf("%q %s", name, a.How))
		}
		if dir := path.Dir(name); !slices.Contains(d.Folders, dir) {
			d.Folders = append(d.Folders, dir)
		}
	}
}

// Distrust implements providers.Recorder.
func (s *strategy) Distrust(_ context.Context, _ providers.Artifact, folders []string) error {
	return s.DistrustCopy(folders)
}

// synced brings copy and index to the disk at the end of a run.
func (s *strategy) synced() {
	if !s.seals.done {
		return
	}
	for _, p := range s.Parts() {
		_ = s.ledger(p).Synced() // unsynced, the copy is not believed after a reboot
	}
}

// logOf returns where lines go that are no report of a change.
func logOf(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

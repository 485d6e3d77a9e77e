package restic

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
)

// The tags of snapshots. What follows a colon has none of a comma, which restic takes
// for the end of a tag.
const (
	tagOurs     = "bkp"
	tagBackup   = "bkp:"
	tagBy       = "bkp:by:"
	tagPart     = "bkp:part:"
	tagPlace    = "bkp:place:"
	tagReserved = "bkp:reserved"
	tagRecord   = "bkp:record"
	tagManifest = "bkp:manifest"
)

// snapshot is one that restic lists.
type snapshot struct {
	ID      string    `json:"id"`
	Time    time.Time `json:"time"`
	Tree    string    `json:"tree"`
	Tags    []string  `json:"tags"`
	Summary summary   `json:"summary"`
}

// summary is what restic counted when it made a snapshot.
type summary struct {
	Packed int64 `json:"data_added_packed"`
	Files  int64 `json:"total_files_processed"`
	Bytes  int64 `json:"total_bytes_processed"`
}

func (s snapshot) is(tag string) bool { return slices.Contains(s.Tags, tag) }

// tagged is what follows prefix in a tag, "" if no tag begins with it.
func (s snapshot) tagged(prefix string) (string, bool) {
	for _, t := range s.Tags {
		if rest, ok := strings.CutPrefix(t, prefix); ok {
			return rest, true
		}
	}
	return "", false
}

// backup is the id of the backup that the snapshot belongs to.
func (s snapshot) backup() (providers.BackupID, bool) {
	for _, t := range s.Tags {
		rest, ok := strings.CutPrefix(t, tagBackup)
		if !ok {
			continue
		}
		if b, err := providers.ParseBackupID(rest); err == nil {
			return b, true
		}
	}
	return "", false
}

// set are snapshots, oldest first: mostly those of one backup.
type set []snapshot

func (s set) only(tag string) set {
	return slices.DeleteFunc(slices.Clone(s), func(x snapshot) bool { return !x.is(tag) })
}

func (s set) without(tag string) set {
	return slices.DeleteFunc(slices.Clone(s), func(x snapshot) bool { return x.is(tag) })
}

// of are those of one backup.
func (s set) of(b providers.BackupID) set {
	return slices.DeleteFunc(slices.Clone(s), func(x snapshot) bool { id, ok := x.backup(); return !ok || id != b })
}

func (s set) parts() set {
	return slices.DeleteFunc(slices.Clone(s), func(x snapshot) bool { _, ok := x.tagged(tagPart); return !ok })
}

func (s set) ids() []string {
	var out []string
	for _, x := range s {
		out = append(out, x.ID)
	}
	return out
}

// foreign is one that another holder made, nil without one.
func (s set) foreign(holder string) *snapshot {
	for _, x := range s {
		if !x.is(tagBy + holder) {
			return &x
		}
	}
	return nil
}

// snapshots lists those of a backup, of all backups if b is "".
func (a *archive) snapshots(ctx context.Context, b providers.BackupID, uncached bool) (set, error) {
	filter := tagOurs
	if b != "" {
		filter += "," + tagBackup + string(b)
	}
	var out set
	c := call{args: []string{"snapshots", "--json", "--tag", filter}, reads: true, uncached: uncached}
	if err := a.output(ctx, c, &out); err != nil {
		return nil, err
	}
	for _, s := range out {
		if !isHash(s.ID) || !isHash(s.Tree) {
			return nil, a.misunderstood(c, fmt.Errorf("snapshot %q has the tree %q", s.ID, s.Tree))
		}
	}
	slices.SortStableFunc(out, func(x, y snapshot) int { return x.Time.Compare(y.Time) })
	return out, nil
}

// isHash reports whether text is a SHA-256 as restic writes it.
func isHash(text string) bool {
	sum, err := hex.DecodeString(text)
	return err == nil && len(sum) == sha256.Size && text == strings.ToLower(text)
}

// byBackup groups snapshots.
func byBackup(all set) map[providers.BackupID]set {
	out := map[providers.BackupID]set{}
	for _, s := range all {
		if b, ok := s.backup(); ok {
			out[b] = append(out[b], s)
		}
	}
	return out
}

// forget removes snapshots by their ids and looks whether they are gone: restic
// before 0.19 reports success when the server refused.
func (a *archive) forget(ctx context.Context, b providers.BackupID, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	err := a.exclusive(ctx, call{args: append([]string{"forget", "--json"}, ids...)})
	if codeOf(err) == codeNone || codeOf(err) == codeLocked || codeOf(err) == codePassword || ctx.Err() != nil {
		return err
	}
	left, listErr := a.snapshots(ctx, b, true)
	if listErr != nil {
		return listErr
	}
	kept := slices.DeleteFunc(left.ids(), func(id string) bool { return !slices.Contains(ids, id) })
	if len(kept) == 0 {
		return a.noteKept(false)
	}
	_ = a.noteKept(true) // plan says it the next time
	if err == nil {
		err = fmt.Errorf("restic reported success, and %s are still there", problem.Counted(len(kept), "snapshot"))
	}
	return problem.Wrapf(err, keepsAll, keepsAllRemedy, "%s of %s in %s", problem.Counted(len(kept), "snapshot"), b, a.shown())
}

const (
	keepsAll       = "repository does not remove snapshots"
	keepsAllRemedy = "if it is append-only, as it should be for a copy that this machine cannot delete, give the archive a retention of its own that keeps all, and remove backups from a machine that may:\n\n    restic forget --tag bkp:ID\n"
)

// noteKept keeps in the state folder whether the repository refused to remove
// something, for the plan.
func (a *archive) noteKept(refused bool) error {
	if !refused {
		return ignoreMissing(os.Remove(a.work(refusedFile)))
	}
	if err := a.makeWork(); err != nil {
		return err
	}
	return os.WriteFile(a.work(refusedFile), nil, 0o600)
}

// tagsOf are the arguments that tag a snapshot of b.
func (a *archive) tagsOf(b providers.BackupID, more ...string) []string {
	var out []string
	for _, t := range append([]string{tagOurs, tagBackup + string(b), tagBy + a.holder()}, more...) {
		out = append(out, "--tag", t)
	}
	return out
}

// encoded is text as a tag may have it.
func encoded(text string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	var out strings.Builder
	for _, c := range []byte(text) {
		if strings.IndexByte(plain, c) >= 0 {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}

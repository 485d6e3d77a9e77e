package providers

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// ErrNotFound is wrapped by errors about an unknown backup id.
var ErrNotFound = errors.New("no such backup")

// ErrTaken is wrapped by errors about a backup id that somebody else
// uses.
var ErrTaken = errors.New("the id is taken")

// BackupID names a backup, such as prod-20261122T214431Z. It is a valid file
// name on every system.
type BackupID string

var backupID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}-[0-9]{8}T[0-9]{6}Z$`)

// NewBackupID returns the id of a backup of the instance at t; its precision
// is one second.
func NewBackupID(instance string, t time.Time) BackupID {
	return BackupID(instance + "-" + t.UTC().Format("20060102T150405Z"))
}

// ParseBackupID refuses what is not an id, so that an id may be made part of
// a path.
func ParseBackupID(s string) (BackupID, error) {
	if !backupID.MatchString(s) {
		return "", fmt.Errorf("%q is not the id of a backup: want INSTANCE-YYYYMMDDTHHMMSSZ", s)
	}
	return BackupID(s), nil
}

// Instance returns the instance's name.
func (b BackupID) Instance() string { return string(b[:len(b)-len("-20060102T150405Z")]) }

// Time returns when the backup was begun, in UTC.
func (b BackupID) Time() time.Time {
	t, _ := time.Parse("20060102T150405Z", string(b[len(b)-len("20060102T150405Z"):]))
	return t
}

// Artifact is what a capture yields. It is plain data: the journal and the
// manifest hold it.
type Artifact struct {
	// Address of the component that captured it, such as home.mirror.shared.
	Address string `json:"address"`
	// Life is never empty.
	Life Life `json:"life"`
	// In is the address of the artifact that a Contained one lies in.
	In string `json:"in,omitempty"`
	// Strategy is the block type and the strategy, such as home "mirror".
	Strategy string `json:"strategy"`
	// PointInTime is the instant whose state the artifact is.
	PointInTime time.Time `json:"point_in_time"`
	// ClockAhead is by how much the clock that took the instant, that of the machine that
	// captured it or of a database's server, was ahead of that of the machine that ran bkp.
	// PointInTime is by the latter.
	ClockAhead time.Duration `json:"clock_ahead_ns,omitempty"`
	// Trees are the folders to archive, none if there are none (yet). Their
	// places differ, and none lies in another. An archive stores each at its
	// place, so that a restore finds them together in one folder.
	Trees []Tree `json:"trees,omitempty"`
	// Ref says where the state lies when it is no tree: a volume snapshot. A Staged
	// artifact that has one has its trees from there; see Remade.
	Ref map[string]string `json:"ref,omitempty"`
	// Facts of the state, such as the server's version, for restore to check.
	Facts map[string]string `json:"facts,omitempty"`
	// Change is what the capture had to copy under the lock; nil if it
	// brings nothing over or did not count it.
	Change *Change `json:"change,omitempty"`

	// Repositories is how many the live pass found in a home; nil if nobody
	// counted.
	Repositories *int `json:"repositories,omitempty"`

	// Live is set if users worked while it was captured: the instance was not
	// locked, and what the parts of the backup hold is not of exactly one instant.
	Live bool `json:"live,omitempty"`

	// Copied says to a Restorer that an archive has a copy, which is unpacked before
	// Restore. It is on no record.
	Copied bool `json:"-"`
	// Only says to a Restorer, if it is a Selector, what to restore; none is all. It is
	// on no record.
	Only Selection `json:"-"`
}

// Tree is a folder that an artifact consists of, or a part of.
type Tree struct {
	// Place is where the folder belongs in the artifact: a relative path with
	// slashes, "" for the artifact as a whole.
	Place string `json:"place,omitempty"`
	// Host is the connection to the machine that has the folder, "" for this one.
	Host string `json:"host,omitempty"`
	// Path of the folder there.
	Path string `json:"path"`
	// LeaveOut are rules of what is not part of the artifact; see Rules.
	LeaveOut Rules `json:"leave_out,omitempty"`
}

// OneTree is the Trees of an artifact that is one folder of this machine.
func OneTree(path string) []Tree { return []Tree{{Path: path}} }

// Dir is the folder of this machine that holds the whole artifact, "" if none does.
func (a Artifact) Dir() string {
	if len(a.Trees) == 1 && a.Trees[0].Place == "" && a.Trees[0].Host == "" {
		return a.Trees[0].Path
	}
	return ""
}

// Remade reports whether the artifact's trees lie in what its Ref names, such as a
// snapshot that is mounted for a while: Finish makes them readable again, in
// another process too.
func (a Artifact) Remade() bool { return a.Life == Staged && len(a.Ref) > 0 }

// Change is what changed in a source within some time.
type Change struct {
	Files int64         `json:"files"`
	Bytes int64         `json:"bytes"`
	Over  time.Duration `json:"over_ns"`
}

// ManifestFormat is the format that this version writes. Readers refuse a
// newer one.
const ManifestFormat = 1

// Manifest describes one backup. A copy lies in each archive, and in the catalog.
type Manifest struct {
	Format   int       `json:"format"`
	ID       BackupID  `json:"id"`
	Instance string    `json:"instance"`
	URL      string    `json:"url,omitempty"`
	Tool     string    `json:"tool"`
	Created  time.Time `json:"created"`
	// BitbucketVersion is the version that was running.
	BitbucketVersion string `json:"bitbucket_version,omitempty"`
	// Skew is, for a backup made without a lock, by how much the instants of its
	// parts may differ; 0 for one that was made under the lock.
	Skew time.Duration `json:"skew_ns,omitempty"`
	// NodeSkew is the time between the first and the last instant of the Mesh nodes,
	// 0 with fewer than two.
	NodeSkew time.Duration `json:"node_skew_ns,omitempty"`
	// LockWindow is how long users were locked out; Window its parts.
	LockWindow time.Duration            `json:"lock_window_ns"`
	Window     map[string]time.Duration `json:"window_ns,omitempty"`
	Artifacts  []Artifact               `json:"artifacts"`
	// Stored has one entry an archive that holds the backup.
	Stored []Stored `json:"stored,omitempty"`
}

// Artifact returns the artifact of a component.
func (m Manifest) Artifact(address string) (Artifact, bool) {
	for _, a := range m.Artifacts {
		if a.Address == address {
			return a, true
		}
	}
	return Artifact{}, false
}

// Sizes are how much the backup holds of what can be counted, for the
// comparison with others. What is not stored is not counted.
func (m Manifest) Sizes() map[string]int64 {
	out := map[string]int64{}
	for _, a := range m.Artifacts {
		if p, ok := m.Part(a.Address); ok {
			out[SizeBytes(a.Address)] = p.Bytes
		}
		if a.Repositories != nil {
			out[SizeRepositories(a.Address)] = int64(*a.Repositories)
		}
	}
	return out
}

// SizeBytes is the name of a component's bytes in Sizes.
func SizeBytes(address string) string { return address + " bytes" }

// SizeRepositories is the name of a component's repositories in Sizes.
func SizeRepositories(address string) string { return address + " repositories" }

// WindowPart is a part of a lock window.
type WindowPart struct {
	Name string        `json:"name"`
	Took time.Duration `json:"took_ns"`
}

// partOrder are the parts of a lock window in the order of time. The captures come
// in the place of capturePrefix: they run at the same time, from the end of the drain.
var partOrder = []string{"lock", "drain", capturePrefix, "drained_to_complete", "complete", "unlock"}

// capturePrefix begins the name of the part of a capture; its address follows.
const capturePrefix = "capture "

// WindowParts are the parts of the lock window in the order of time, the longest
// capture first.
func (m Manifest) WindowParts() []WindowPart {
	var out []WindowPart
	for name, took := range m.Window {
		out = append(out, WindowPart{name, took})
	}
	place := func(p WindowPart) int {
		return slices.IndexFunc(partOrder, func(name string) bool {
			return name == p.Name || name == capturePrefix && strings.HasPrefix(p.Name, capturePrefix)
		})
	}
	slices.SortFunc(out, func(a, b WindowPart) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(b.Took, a.Took), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// Of reports whether m is a backup of the instance of this name at this base URL.
// Both count: environments that share a configuration have instances of the same
// name, and a state folder or a destination may hold backups of several.
func (m Manifest) Of(instance, url string) bool { return m.Instance == instance && m.URL == url }

// InPlace reports whether a part of the backup lies in trees of its strategy
// alone, which no archive has a copy of.
func (m Manifest) InPlace() bool {
	return slices.ContainsFunc(m.Artifacts, func(a Artifact) bool { return a.Life == Staged && !m.archived(a) })
}

// Held reports whether what the component made for the backup must stay after
// the run: no archive has a copy of it. It is that of a backup that is complete;
// until then, everything must stay.
func (m Manifest) Held(address string) bool {
	a, ok := m.Artifact(address)
	if !ok {
		return false
	}
	switch a.Life {
	case Pending:
		return true
	case Native:
		return !m.onlyElsewhere(a)
	case Staged:
		return !m.archived(a)
	case Transient, Contained, External:
	}
	return false
}

// onlyElsewhere reports whether all that keeps a native artifact are copies in other
// places.
func (m Manifest) onlyElsewhere(a Artifact) bool {
	keepers := 0
	for _, s := range m.Stored {
		if _, ok := s.Parts[a.Address]; !ok || !s.Native {
			continue
		}
		if !s.Elsewhere {
			return false
		}
		keepers++
	}
	return keepers > 0
}

func (m Manifest) archived(a Artifact) bool {
	_, ok := m.Part(a.Address)
	return ok
}

// Archived reports whether an archive holds the backup; otherwise it lies where it
// was captured, until the next run.
func (m Manifest) Archived() bool { return slices.ContainsFunc(m.Stored, Stored.Keeps) }

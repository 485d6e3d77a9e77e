//go:build linux

package aws

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"bkp/internal/reflink"
)

type snapshot struct {
	ID, Volume, Owner string
	Bytes             int64
	Started, Ready    time.Time
	Failed            bool
	Tags              tags
	image             string
	// shared are the accounts that may use it, lockedUntil is when it can be deleted.
	shared      map[string]bool
	lockedUntil time.Time
	// unseen is how many looks do not show it yet, inUse is set while an image needs it.
	unseen int
	inUse  bool
}

// status of a snapshot at a time.
func (s *snapshot) status(now time.Time) string {
	switch {
	case now.Before(s.Ready):
		return "pending"
	case s.Failed:
		return "error"
	}
	return "completed"
}

// mostPending is how many snapshots of a volume may be pending at once.
const mostPending = 5

// createSnapshots takes those of all volumes of the machine at one instant, but for
// the excluded ones: all or none.
func (w *World) createSnapshots(c call) (elements, *failure) {
	instance := c.Get("InstanceSpecification.InstanceId")
	excluded := c.list("InstanceSpecification.ExcludeDataVolumeId")
	var of []*volume
	for _, id := range slices.Sorted(maps.Keys(c.state.volumes)) {
		v := c.state.volumes[id]
		boot := v.Device == bootDevice
		if v.Instance != instance || slices.Contains(excluded, id) || boot && c.Get("InstanceSpecification.ExcludeBootVolume") == "true" {
			continue
		}
		if w.pending(c.state, id) >= mostPending {
			return nil, fail("ConcurrentSnapshotLimitExceeded", "Maximum of %d pending snapshots for volume %s", mostPending, id)
		}
		of = append(of, v)
	}
	if len(of) == 0 {
		return nil, fail("InvalidParameterCombination", "No volumes found to snapshot on %s", instance)
	}
	made, failed := w.takeOf(c, of)
	if failed != nil {
		return nil, failed
	}
	return elements{el("snapshotSet", all("item", made, func(s *snapshot) elements { return s.xml("state", w.now()) }))}, nil
}

// createSnapshot takes that of one volume, as the scripts do.
func (w *World) createSnapshot(c call) (elements, *failure) {
	v := c.state.volumes[c.Get("VolumeId")]
	if v == nil {
		return nil, fail("InvalidVolume.NotFound", "The volume '%s' does not exist.", c.Get("VolumeId"))
	}
	made, failed := w.takeOf(c, []*volume{v})
	if failed != nil {
		return nil, failed
	}
	return made[0].xml("status", w.now()), nil
}

// takeOf takes snapshots of volumes, all or none.
func (w *World) takeOf(c call, of []*volume) ([]*snapshot, *failure) {
	var made []*snapshot
	for _, v := range of {
		s := &snapshot{
			ID: w.id("snap"), Volume: v.ID, Owner: c.place.account, Bytes: v.Bytes, Started: w.now(), Ready: w.now().Add(w.takes),
			Failed: w.doomed[v.ID], Tags: c.specified("snapshot"), shared: map[string]bool{}, unseen: w.lag,
		}
		s.image = filepath.Join(w.dir, s.ID)
		if err := copyImage(s.image, v.image); err != nil {
			return nil, fail("InternalError", "%v", err)
		}
		made = append(made, s)
	}
	if len(made) > 1 {
		made[len(made)-1].unseen += w.behind
	}
	for _, s := range made {
		c.state.snapshots[s.ID] = s
	}
	return made, nil
}

// pending is how many snapshots of a volume are not finished.
func (w *World) pending(in *state, volume string) int {
	n := 0
	for _, s := range in.snapshots {
		if s.Volume == volume && s.status(w.now()) == "pending" {
			n++
		}
	}
	return n
}

// copyImage copies the bytes of a volume at this instant, by sharing its blocks where
// the file system can.
func copyImage(to, from string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }()
	dst, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = reflink.Clone(dst, src)
	if errors.Is(err, reflink.ErrImpossible) {
		err = copySparse(dst, src)
	}
	return errors.Join(err, dst.Close())
}

func (s *snapshot) xml(stateName string, now time.Time) elements {
	progress := "100%"
	if s.status(now) == "pending" {
		progress = "37%"
	}
	out := elements{
		el("snapshotId", s.ID), el("volumeId", s.Volume), el(stateName, s.status(now)), el("startTime", s.Started), el("progress", progress),
		el("ownerId", s.Owner), el("volumeSize", s.Bytes>>30), el("encrypted", false), el("description", ""), el("tagSet", s.Tags.xml("item")),
	}
	if s.status(now) == "error" {
		out = append(out, el("statusMessage", "the test wants it"))
	}
	return out
}

func (w *World) describeSnapshots(c call) (elements, *failure) {
	ids, filters := c.list("SnapshotId"), c.filters()
	for _, id := range ids {
		if s := c.state.snapshots[id]; s == nil || !shows(&s.unseen) {
			return nil, fail("InvalidSnapshot.NotFound", "The snapshot '%s' does not exist.", id)
		}
	}
	var found []*snapshot
	waiting := false
	for _, id := range slices.Sorted(maps.Keys(c.state.snapshots)) {
		s := c.state.snapshots[id]
		if len(ids) > 0 && !slices.Contains(ids, id) || !s.Tags.has(filters) || !among(filters, "status", s.status(w.now())) || !among(filters, "volume-id", s.Volume) {
			continue
		}
		if !shows(&s.unseen) {
			continue
		}
		found = append(found, s)
		waiting = waiting || s.status(w.now()) == "pending"
	}
	now := w.now()
	if waiting {
		w.offset += step
	}
	return elements{el("snapshotSet", all("item", found, func(s *snapshot) elements { return s.xml("status", now) }))}, nil
}

// shows reports whether a look shows what was made a moment ago, and counts it.
func shows(unseen *int) bool {
	if *unseen > 0 {
		*unseen--
		return false
	}
	return true
}

// among reports whether a filter of this name, if there is one, has the value.
func among(filters map[string][]string, name, value string) bool {
	values, ok := filters[name]
	return !ok || slices.Contains(values, value)
}

func (w *World) deleteSnapshot(c call) (elements, *failure) {
	s := c.state.snapshots[c.Get("SnapshotId")]
	if s == nil {
		return nil, fail("InvalidSnapshot.NotFound", "The snapshot '%s' does not exist.", c.Get("SnapshotId"))
	}
	if w.now().Before(s.lockedUntil) {
		return nil, fail("SnapshotLocked", "The snapshot '%s' is locked.", s.ID)
	}
	if s.inUse {
		return nil, fail("InvalidSnapshot.InUse", "The snapshot %s is currently in use by ami-0123456789abcdef0", s.ID)
	}
	if err := os.Remove(s.image); err != nil {
		return nil, fail("InternalError", "%v", err)
	}
	delete(c.state.snapshots, s.ID)
	return elements{el("return", true)}, nil
}

// mostTags is how many a resource may have.
const mostTags = 50

func (w *World) createTags(c call) (elements, *failure) {
	given := c.tagList("Tag")
	for key, value := range given {
		if len(key) > 127 || len(value) > 255 || strings.HasPrefix(key, "aws:") {
			return nil, fail("InvalidParameterValue", "tag %s is too long", key)
		}
	}
	var of []tags
	for _, id := range c.list("ResourceId") {
		var have tags
		if s := c.state.snapshots[id]; s != nil {
			have = s.Tags
		} else if v := c.state.volumes[id]; v != nil {
			have = v.Tags
		} else {
			return nil, fail("InvalidSnapshot.NotFound", "The resource '%s' does not exist.", id)
		}
		both := maps.Clone(have)
		maps.Copy(both, given)
		if len(both) > mostTags {
			return nil, fail("TagLimitExceeded", "%s would have more than %d tags", id, mostTags)
		}
		of = append(of, have)
	}
	for _, t := range of {
		maps.Copy(t, given)
	}
	return elements{el("return", true)}, nil
}

func (w *World) deleteTags(c call) (elements, *failure) {
	for _, id := range c.list("ResourceId") {
		if s := c.state.snapshots[id]; s != nil {
			for i := 1; c.Has("Tag." + strconv.Itoa(i) + ".Key"); i++ {
				delete(s.Tags, c.Get("Tag."+strconv.Itoa(i)+".Key"))
			}
		}
	}
	return elements{el("return", true)}, nil
}

// copySnapshot copies one of another region, or of another account that shares it. The
// copy has an arbitrary volume.
func (w *World) copySnapshot(c call) (elements, *failure) {
	id := c.Get("SourceSnapshotId")
	var from *snapshot
	for at, in := range w.places {
		if s := in.snapshots[id]; s != nil && at.region == c.Get("SourceRegion") && (at.account == c.place.account || s.shared[c.place.account]) {
			from = s
		}
	}
	switch {
	case from == nil:
		return nil, fail("InvalidSnapshot.NotFound", "The snapshot '%s' does not exist.", id)
	case from.status(w.now()) != "completed":
		return nil, fail("IncorrectState", "The snapshot '%s' is not completed.", id)
	}
	s := &snapshot{
		ID: w.id("snap"), Volume: "vol-ffffffff", Owner: c.place.account, Bytes: from.Bytes, Started: w.now(), Ready: w.now().Add(w.takes), Failed: w.badKey(c),
		Tags: c.specified("snapshot"), shared: map[string]bool{}, unseen: w.lag,
	}
	s.image = filepath.Join(w.dir, s.ID)
	if err := copyImage(s.image, from.image); err != nil {
		return nil, fail("InternalError", "%v", err)
	}
	c.state.snapshots[s.ID] = s
	return elements{el("snapshotId", s.ID), el("tagSet", s.Tags.xml("item"))}, nil
}

func (w *World) shareSnapshot(c call) (elements, *failure) {
	s := c.state.snapshots[c.Get("SnapshotId")]
	if s == nil {
		return nil, fail("InvalidSnapshot.NotFound", "The snapshot '%s' does not exist.", c.Get("SnapshotId"))
	}
	for _, account := range c.list("UserId") {
		if c.Get("OperationType") == "add" {
			s.shared[account] = true
		} else {
			delete(s.shared, account)
		}
	}
	return elements{el("return", true)}, nil
}

func (w *World) lockSnapshot(c call) (elements, *failure) {
	s := c.state.snapshots[c.Get("SnapshotId")]
	if s == nil {
		return nil, fail("InvalidSnapshot.NotFound", "The snapshot '%s' does not exist.", c.Get("SnapshotId"))
	}
	days, err := strconv.Atoi(c.Get("LockDuration"))
	if err != nil || days < 1 {
		return nil, fail("InvalidParameterValue", "a duration is needed")
	}
	s.lockedUntil = w.now().AddDate(0, 0, days)
	return elements{el("snapshotId", s.ID), el("lockState", c.Get("LockMode"))}, nil
}

func (w *World) describeLocked(c call) (elements, *failure) {
	var found []*snapshot
	for _, id := range c.list("SnapshotId") {
		if s := c.state.snapshots[id]; s != nil && w.now().Before(s.lockedUntil) {
			found = append(found, s)
		}
	}
	return elements{el("snapshotSet", all("item", found, func(s *snapshot) elements {
		return elements{el("snapshotId", s.ID), el("lockState", "governance"), el("lockExpiresOn", s.lockedUntil)}
	}))}, nil
}

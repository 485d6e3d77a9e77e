//go:build linux

package aws

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// bootDevice is the name of the machine's first volume.
const bootDevice = "/dev/xvda"

type volume struct {
	ID, Zone, Type   string
	Bytes            int64
	Instance, Device string
	// From is the snapshot that it was made of, "" for one that the test made.
	From string
	Tags tags
	// attachment is attaching, attached, detaching or busy; "" for none.
	attachment string
	creating   bool
	// unseen is how many looks do not show it yet.
	unseen int
	image  string
	loop   string
}

func (v *volume) status() string {
	switch {
	case v.creating:
		return "creating"
	case v.Instance != "":
		return "in-use"
	}
	return "available"
}

// look is v as a call sees it, and lets what goes on end.
func (w *World) look(v *volume) elements {
	out := elements{
		el("volumeId", v.ID), el("size", v.Bytes>>30), el("availabilityZone", v.Zone), el("status", v.status()), el("volumeType", v.Type),
		el("encrypted", false), el("tagSet", v.Tags.xml("item")), el("snapshotId", v.From),
	}
	if v.Instance != "" {
		out = append(out, el("attachmentSet", elements{el("item", v.attached())}))
	}
	v.creating = false
	switch v.attachment {
	case "attaching":
		v.attachment = "attached"
	case "detaching", "busy":
		w.unplug(v)
	}
	return out
}

func (v *volume) attached() elements {
	return elements{el("volumeId", v.ID), el("instanceId", v.Instance), el("device", v.Device), el("status", v.attachment)}
}

func (w *World) describeInstances(c call) (elements, *failure) {
	for _, id := range c.list("InstanceId") {
		if id != Instance {
			return nil, fail("InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", id)
		}
	}
	var on []*volume
	for _, id := range slices.Sorted(maps.Keys(c.state.volumes)) {
		if v := c.state.volumes[id]; v.Instance == Instance {
			on = append(on, v)
		}
	}
	disks := all("item", on, func(v *volume) elements {
		return elements{el("deviceName", v.Device), el("ebs", elements{el("volumeId", v.ID), el("status", v.attachment)})}
	})
	machine := elements{
		el("instanceId", Instance), el("placement", elements{el("availabilityZone", Zone)}), el("instanceState", elements{el("code", 16), el("name", "running")}),
		el("rootDeviceName", bootDevice), el("blockDeviceMapping", disks),
	}
	return elements{el("reservationSet", elements{el("item", elements{el("instancesSet", elements{el("item", machine)})})})}, nil
}

func (w *World) describeVolumes(c call) (elements, *failure) {
	ids, filters := c.list("VolumeId"), c.filters()
	for _, id := range ids {
		if v := c.state.volumes[id]; v == nil || !shows(&v.unseen) {
			return nil, fail("InvalidVolume.NotFound", "The volume '%s' does not exist.", id)
		}
	}
	var found []*volume
	for _, id := range slices.Sorted(maps.Keys(c.state.volumes)) {
		v := c.state.volumes[id]
		if len(ids) > 0 && !slices.Contains(ids, id) || !v.Tags.has(filters) || !among(filters, "status", v.status()) || !shows(&v.unseen) {
			continue
		}
		found = append(found, v)
	}
	return elements{el("volumeSet", all("item", found, w.look))}, nil
}

func (w *World) createVolume(c call) (elements, *failure) {
	token := c.Get("ClientToken")
	for _, v := range c.state.volumes {
		if token != "" && v.Tags["token:"+token] != "" {
			return w.look(v), nil
		}
	}
	s := c.state.snapshots[c.Get("SnapshotId")]
	switch {
	case s == nil:
		return nil, fail("InvalidSnapshot.NotFound", "The snapshot '%s' does not exist.", c.Get("SnapshotId"))
	case s.status(w.now()) != "completed":
		return nil, fail("IncorrectState", "Snapshot %s is not in the completed state", s.ID)
	}
	v := &volume{ID: w.id("vol"), Zone: c.Get("AvailabilityZone"), Type: c.Get("VolumeType"), Bytes: s.Bytes, From: s.ID, Tags: c.specified("volume"), creating: true, unseen: w.lag}
	v.image = filepath.Join(w.dir, v.ID)
	if err := copyImage(v.image, s.image); err != nil {
		return nil, fail("InternalError", "%v", err)
	}
	if token != "" {
		v.Tags["token:"+token] = "1"
	}
	c.state.volumes[v.ID] = v
	return w.look(v), nil
}

func (w *World) attachVolume(c call) (elements, *failure) {
	v := c.state.volumes[c.Get("VolumeId")]
	switch {
	case v == nil:
		return nil, fail("InvalidVolume.NotFound", "The volume '%s' does not exist.", c.Get("VolumeId"))
	case v.Instance != "" || v.creating:
		return nil, fail("IncorrectState", "Volume %s is not 'available'.", v.ID)
	case v.Zone != Zone || c.Get("InstanceId") != Instance:
		return nil, fail("InvalidVolume.ZoneMismatch", "The volume '%s' is not in the same availability zone as instance '%s'", v.ID, c.Get("InstanceId"))
	}
	for _, other := range c.state.volumes {
		if other.Instance != "" && other.Device == c.Get("Device") {
			return nil, fail("InvalidParameterValue", "Invalid value '%s' for unixDevice. Attachment point %s is already in use", other.Device, other.Device)
		}
	}
	if err := w.plug(v, c.Get("Device")); err != nil {
		return nil, fail("InternalError", "%v", err)
	}
	return v.attached(), nil
}

func (w *World) detachVolume(c call) (elements, *failure) {
	v := c.state.volumes[c.Get("VolumeId")]
	switch {
	case v == nil:
		return nil, fail("InvalidVolume.NotFound", "The volume '%s' does not exist.", c.Get("VolumeId"))
	case v.Instance == "":
		return nil, fail("IncorrectState", "Volume '%s' is in the 'available' state.", v.ID)
	}
	v.attachment = "detaching"
	return v.attached(), nil
}

func (w *World) deleteVolume(c call) (elements, *failure) {
	v := c.state.volumes[c.Get("VolumeId")]
	switch {
	case v == nil:
		return nil, fail("InvalidVolume.NotFound", "The volume '%s' does not exist.", c.Get("VolumeId"))
	case v.Instance != "":
		return nil, fail("VolumeInUse", "Volume %s is currently attached to %s", v.ID, v.Instance)
	}
	delete(c.state.volumes, v.ID)
	if err := os.Remove(v.image); err != nil {
		return nil, fail("InternalError", "%v", err)
	}
	return elements{el("return", true)}, nil
}

// NewVolume makes a volume with a file system of a kind and attaches it to the machine,
// mounted on a folder that is there. It needs root. At the end of the test it is
// unmounted.
func (w *World) NewVolume(point, kind string, bytes int64) (id string, err error) {
	w.mu.Lock()
	v := &volume{ID: w.id("vol"), Zone: Zone, Type: "gp3", Bytes: bytes, Tags: tags{}}
	v.image = filepath.Join(w.dir, v.ID)
	device := "/dev/sd" + string(rune('b'+len(w.home().volumes)))
	w.mu.Unlock()
	if err := makeFileSystem(v.image, kind, bytes); err != nil {
		return "", err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.home().volumes[v.ID] = v
	if err := w.plug(v, device); err != nil {
		return "", err
	}
	v.attachment = "attached"
	return v.ID, mount(v.loop, point)
}

// Serial is that of the disk of a volume, as the kernel has it.
func Serial(id string) string { return "vol" + id[len("vol-"):] }

// plug makes a disk of a volume on the machine. The lock is held.
func (w *World) plug(v *volume, device string) error {
	loop, err := attachLoop(v.image)
	if err != nil {
		return err
	}
	v.loop, v.Instance, v.Device, v.attachment = loop, Instance, device, "attaching"
	w.loops[loop] = v.ID
	dir := filepath.Join(w.Sysfs, "block", filepath.Base(loop))
	if err := os.MkdirAll(filepath.Join(dir, "device"), 0o755); err != nil {
		return err
	}
	major, minor, err := numbers(loop)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "dev"), []byte(strconv.Itoa(major)+":"+strconv.Itoa(minor)+"\n"), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "device", "serial"), []byte(Serial(v.ID)+"  \n"), 0o600)
}

// unplug removes the disk of a volume, unless it is mounted: then it is busy.
func (w *World) unplug(v *volume) {
	if inUse(v.loop) {
		v.attachment = "busy"
		return
	}
	detachLoop(v.loop)
	_ = os.RemoveAll(filepath.Join(w.Sysfs, "block", filepath.Base(v.loop))) // a folder of the test
	delete(w.loops, v.loop)
	v.loop, v.Instance, v.Device, v.attachment = "", "", "", ""
}

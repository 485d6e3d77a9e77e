package awsebs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"bkp/internal/problem"
)

// disks are those of the machine, as the kernel lists them in a folder that is /sys
// but for tests.
type disks struct{ sysfs string }

// disk is one with its partitions.
type disk struct {
	// Name of the device below /dev.
	Name string
	// Serial as the kernel has it.
	Serial string
	// Partitions by name.
	Partitions []string
}

// ebsSerial is that of a disk that is a volume: vol0123456789abcdef0.
var ebsSerial = regexp.MustCompile(`^vol-?([0-9a-f]{8,17})$`)

// volume is the id of the volume that a disk is, "" if it is none.
func (d disk) volume() string {
	if m := ebsSerial.FindStringSubmatch(d.Serial); m != nil {
		return "vol-" + m[1]
	}
	return ""
}

// all lists the disks.
func (d disks) all() ([]disk, error) {
	entries, err := os.ReadDir(filepath.Join(d.sysfs, "block"))
	if err != nil {
		return nil, problem.Wrap(err, "disks cannot be listed", "mount /sys, or set sysfs to where it is")
	}
	var out []disk
	for _, e := range entries {
		serial, err := os.ReadFile(filepath.Join(d.sysfs, "block", e.Name(), "device", "serial"))
		if errors.Is(err, fs.ErrNotExist) {
			serial, err = nil, nil
		}
		if err != nil {
			continue // a disk that has just gone
		}
		one := disk{Name: e.Name(), Serial: strings.TrimSpace(string(serial))}
		parts, _ := filepath.Glob(filepath.Join(d.sysfs, "block", e.Name(), "*", "partition"))
		for _, p := range parts {
			one.Partitions = append(one.Partitions, filepath.Base(filepath.Dir(p)))
		}
		out = append(out, one)
	}
	return out, nil
}

// withNumbers finds the disk of a device's numbers, such as 259:1, which may be those of its
// partition.
func (d disks) withNumbers(numbers string) (disk, error) {
	all, err := d.all()
	if err != nil {
		return disk{}, err
	}
	for _, one := range all {
		for _, dir := range append([]string{""}, one.Partitions...) {
			text, err := os.ReadFile(filepath.Join(d.sysfs, "block", one.Name, dir, "dev"))
			if err == nil && strings.TrimSpace(string(text)) == numbers {
				return one, nil
			}
		}
	}
	return disk{}, fmt.Errorf("no disk has the numbers %s", numbers)
}

// below names the disks that a device is made of, such as those of a volume group;
// none for a disk itself.
func (d disks) below(name string) []string {
	found, _ := filepath.Glob(filepath.Join(d.sysfs, "block", name, "slaves", "*"))
	for i := range found {
		found[i] = filepath.Base(found[i])
	}
	return found
}

// ofVolume finds the disk of a volume; false if the machine has none.
func (d disks) ofVolume(id string) (disk, bool, error) {
	all, err := d.all()
	if err != nil {
		return disk{}, false, err
	}
	for _, one := range all {
		if one.volume() == id {
			return one, true, nil
		}
	}
	return disk{}, false, nil
}

// device is what holds the file system: the disk, or its only partition.
func (d disk) device() string {
	if len(d.Partitions) == 1 {
		return "/dev/" + d.Partitions[0]
	}
	return "/dev/" + d.Name
}

// Package vm runs tests inside guests with real LVM and real ZFS, where neither
// the machine's kernel nor its disks are at stake.
//
// There are two lanes. LVM is user-mode Linux, an ordinary process that boots in
// two seconds and knows device mapper, thin pools, XFS, btrfs and NFS. ZFS is a
// whole machine in qemu, without KVM, whose kernel has the modules of ZFS. Both
// boot one image, which no run writes to, so that runs may go on side by side.
//
// `make beds` makes all of it once, from packages of Debian 12; see internal/lab/bed.
package vm

import (
	_ "embed" // of the files that guests start with
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Lane is a kind of guest.
type Lane string

// The lanes.
const (
	LVM Lane = "lvm"
	ZFS Lane = "zfs"
)

// Bed is where the parts of the guests lie. Each of its fields but Dir is the name
// of a stage, a folder that is there when it is whole.
type Bed struct{ Dir string }

// Image is the root disk of both lanes.
func (b Bed) Image() string { return filepath.Join(b.Dir, "image", "root.img") }

// UserMode is the kernel of the lane LVM, a program.
func (b Bed) UserMode() string { return filepath.Join(b.Dir, "uml", "usr", "bin", "linux.uml") }

// UserModules is the folder of its modules.
func (b Bed) UserModules() (string, error) {
	return only(filepath.Join(b.Dir, "uml", "usr", "lib", "uml", "modules", "*"))
}

// Kernel is that of the lane ZFS, and Initramfs what it starts with.
func (b Bed) Kernel() string { return filepath.Join(b.Dir, "boot", "vmlinux") }

// Initramfs is what the kernel of the lane ZFS starts with.
func (b Bed) Initramfs() string { return filepath.Join(b.Dir, "boot", "initramfs") }

// Modules is the folder of the modules of the lane ZFS.
func (b Bed) Modules() (string, error) {
	return only(filepath.Join(b.Dir, "boot", "lib", "modules", "*"))
}

// Ready returns an error that wraps fs.ErrNotExist if the lane was not made.
func (b Bed) Ready(lane Lane) error {
	parts := []string{b.Image(), b.UserMode()}
	if lane == ZFS {
		parts = []string{b.Image(), b.Kernel(), b.Initramfs()}
	}
	for _, part := range parts {
		if _, err := os.Stat(part); err != nil {
			return fmt.Errorf("the guest of lane %s is not there: %w", lane, err)
		}
	}
	return nil
}

func only(pattern string) (string, error) {
	found, err := filepath.Glob(pattern)
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%s: %d of them, want one: %w", pattern, len(found), fs.ErrNotExist)
	}
	if err != nil {
		return "", err
	}
	return found[0], nil
}

// What guests start with.
var (
	// Init is the first process of both lanes, /guest-init on the root disk.
	//go:embed files/init
	Init string
	// InitramfsInit is the first process of the lane ZFS, before the root disk is there.
	//go:embed files/initramfs
	InitramfsInit string
	// LVMConfig is /etc/lvm/lvmlocal.conf.
	//go:embed files/lvmlocal.conf
	LVMConfig string
)

// ErrNoResult is wrapped by the error of a guest that went off before its command
// ended.
var ErrNoResult = errors.New("the guest ended without a result")

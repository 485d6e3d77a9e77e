package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"bkp/internal/lab/vm"
)

// packages of the guests' root, those of storage first.
var packages = []string{
	"lvm2", "thin-provisioning-tools", "dmsetup", "xfsprogs", "btrfs-progs", "e2fsprogs", "zfsutils-linux",
	"nfs-kernel-server", "nfs-common", "openssh-server", "openssh-client", "rsync", "git", "postgresql-15",
	"kmod", "iproute2", "procps", "util-linux", "mount", "udev", "netbase", "strace",
}

// imageSize is that of the root disk, sparse, in bytes. Runs write to copies of it.
const imageSize = 6 << 30

// userMode makes the lane LVM.
func (w *workshop) userMode(ctx context.Context) error {
	if err := w.image(ctx); err != nil {
		return err
	}
	_, err := w.rootStage(ctx, "uml", []string{"user-mode-linux"}, func(ctx context.Context, dir string) error {
		return w.unpack(ctx, dir, "user-mode-linux")
	})
	return err
}

// image makes the root disk of both lanes.
func (w *workshop) image(ctx context.Context) error {
	root, err := w.rootStage(ctx, "root", packages, func(ctx context.Context, dir string) error {
		if err := w.tools(ctx, map[string]string{"mmdebstrap": "mmdebstrap"}); err != nil {
			return err
		}
		return w.strap(ctx, dir, packages...)
	})
	if err != nil {
		return err
	}
	if err := w.systemd(ctx, root); err != nil {
		return err
	}
	_, err = w.rootStage(ctx, "image", []string{root.digest, vm.Init, vm.LVMConfig}, func(ctx context.Context, dir string) error {
		// The root stays as it was: what is added differs from version to version.
		tree := filepath.Join(dir, "tree")
		if err := w.run(ctx, "cp", "-al", root.dir, tree); err != nil {
			return err
		}
		if err := errors.Join(
			os.WriteFile(filepath.Join(tree, "guest-init"), []byte(vm.Init), 0o755),
			os.WriteFile(filepath.Join(tree, "etc", "lvm", "lvmlocal.conf.new"), []byte(vm.LVMConfig), 0o644),
			os.Rename(filepath.Join(tree, "etc", "lvm", "lvmlocal.conf.new"), filepath.Join(tree, "etc", "lvm", "lvmlocal.conf")),
			vm.Disk(filepath.Join(dir, "root.img"), imageSize),
			w.run(ctx, "mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-E", "lazy_itable_init=1", "-m", "0", "-L", "root",
				"-d", tree, filepath.Join(dir, "root.img")),
		); err != nil {
			return err
		}
		return os.RemoveAll(tree)
	})
	return err
}

// systemd keeps the packages that make a machine with systemd of a guest, and rpm, for
// tests that install them there: most need none of it, and boot faster without.
func (w *workshop) systemd(ctx context.Context, root stage) error {
	needs := []string{"systemd", "dbus", "rpm"}
	_, err := w.stage(ctx, "systemd", append(needs, root.digest), func(ctx context.Context, dir string) error {
		if err := errors.Join(w.openApt(ctx), os.Mkdir(filepath.Join(dir, "partial"), 0o755)); err != nil {
			return err
		}
		argv := []string{
			"apt-get", "install", "-y", "-q", "--no-install-recommends", "--download-only",
			"-o", "Dir::State::status=" + root.file("var", "lib", "dpkg", "status"), "-o", "Dir::Cache::archives=" + dir,
		}
		return w.run(ctx, append(argv, needs...)...)
	})
	return err
}

// machine makes the lane ZFS. The kernel stays that of the first time, until the
// cache is removed: its modules fit no other.
func (w *workshop) machine(ctx context.Context) error {
	if err := w.image(ctx); err != nil {
		return err
	}
	if err := w.tools(ctx, map[string]string{"qemu-system-x86_64": "qemu-system-x86", "depmod": "kmod", "cpio": "cpio", "xz": "xz-utils"}); err != nil {
		return err
	}
	kernel, err := w.rootStage(ctx, "kernel", []string{"linux-image-amd64", "busybox-static"}, func(ctx context.Context, dir string) error {
		version, err := w.kernelVersion(ctx)
		if err != nil {
			return err
		}
		if err := w.unpack(ctx, dir, "linux-image-"+version, "busybox-static"); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "version"), []byte(version), 0o644)
	})
	if err != nil {
		return err
	}
	version, err := os.ReadFile(kernel.file("version"))
	if err != nil {
		return err
	}
	zfs, err := w.zfs(ctx, kernel, string(version))
	if err != nil {
		return err
	}
	_, err = w.rootStage(ctx, "boot", []string{kernel.digest, zfs.digest, string(version), vm.InitramfsInit, strings.Join(moduleFolders, " ")}, func(ctx context.Context, dir string) error {
		return w.boot(ctx, dir, kernel, zfs, string(version))
	})
	return err
}

// zfs builds the modules of ZFS for a kernel, whose headers are all that it needs.
// The compiler's root is a stage of its own, so that a build that was interrupted
// does not begin with it again; it goes when it is not needed any more.
func (w *workshop) zfs(ctx context.Context, kernel stage, version string) (stage, error) {
	const compiler = "gcc-12"
	made, err := w.rootStage(ctx, "zfs", []string{kernel.digest, version, "zfs-dkms", compiler}, func(ctx context.Context, dir string) error {
		needs := []string{"linux-headers-" + version, compiler, "make", "kmod", "file", "perl", "libc6-dev"}
		build, err := w.rootStage(ctx, "build", needs, func(ctx context.Context, dir string) error {
			if err := w.strap(ctx, dir, needs...); err != nil {
				return err
			}
			return w.unpack(ctx, dir, "zfs-dkms")
		})
		if err != nil {
			return err
		}
		arch := version[strings.LastIndex(version, "-"):]
		script := `set -e
mount -t proc proc "$1/proc"
exec chroot "$1" sh -ec '
cd /usr/src/zfs-*/
./configure -q --with-config=kernel --with-linux=/usr/src/linux-headers-$2-common --with-linux-obj=/usr/src/linux-headers-$2$3 CC=gcc-12
make -s -j$(nproc)
mkdir -p /made
find module -name "*.ko" -exec cp {} /made/ \;
strip --strip-debug /made/*.ko' sh "$1" "$2" "$3"`
		// The mount of /proc goes with the namespace.
		if err := w.run(ctx, "unshare", "--mount", "sh", "-c", script, "sh", build.dir, strings.TrimSuffix(version, arch), arch); err != nil {
			return err
		}
		return w.run(ctx, "sh", "-c", `cp "$1"/made/*.ko "$2/"`, "sh", build.dir, dir)
	})
	if err != nil {
		return stage{}, err
	}
	return made, remove(filepath.Join(w.cache, "build"))
}

// moduleFolders are what guests need of the kernel's modules.
var moduleFolders = []string{
	"kernel/lib", "kernel/crypto", "kernel/mm", "kernel/block", "kernel/arch", "kernel/fs", "kernel/net/9p", "kernel/net/sunrpc",
	"kernel/net/netfilter", "kernel/net/ipv4", "kernel/net/ipv6", "kernel/net/core", "kernel/drivers/md", "kernel/drivers/virtio", "kernel/drivers/block",
}

// boot makes the modules' folder, the kernel and what it starts with.
func (w *workshop) boot(ctx context.Context, dir string, kernel, zfs stage, version string) error {
	modules := filepath.Join(dir, "lib", "modules", version)
	from := kernel.file("lib", "modules", version)
	if err := os.MkdirAll(filepath.Join(modules, "extra"), 0o755); err != nil {
		return err
	}
	script := `cd "$1" && out=$2 && shift 2 && cp -a --parents modules.builtin modules.builtin.modinfo modules.order "$@" "$out/"`
	if err := errors.Join(
		w.run(ctx, append([]string{"sh", "-c", script, "sh", from, modules}, moduleFolders...)...),
		w.run(ctx, "sh", "-c", `cp "$1"/*.ko "$2/"`, "sh", zfs.dir, filepath.Join(modules, "extra")),
		w.run(ctx, "depmod", "-b", dir, version),
		w.initramfs(ctx, dir, kernel, version),
		w.vmlinux(ctx, kernel.file("boot", "vmlinuz-"+version), filepath.Join(dir, "vmlinux")),
	); err != nil {
		return err
	}
	return nil
}

// initramfs packs the modules that reach the root disk and the shares.
func (w *workshop) initramfs(ctx context.Context, dir string, kernel stage, version string) error {
	list, err := w.output(ctx, "modprobe", "-d", dir, "-S", version, "--show-depends", "-a", "virtio_pci", "virtio_blk", "ext4", "9p", "9pnet_virtio")
	if err != nil {
		return err
	}
	tree := filepath.Join(dir, "initramfs.d")
	for _, sub := range []string{"bin", "dev", "proc", "root", "m"} {
		if err := os.MkdirAll(filepath.Join(tree, sub), 0o755); err != nil {
			return err
		}
	}
	var order []string
	for line := range strings.Lines(list) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "insmod ")
		if !ok {
			continue
		}
		path = strings.TrimSpace(path)
		if err := w.run(ctx, "cp", path, filepath.Join(tree, "m")); err != nil {
			return err
		}
		order = append(order, filepath.Base(path))
	}
	if err := errors.Join(
		os.WriteFile(filepath.Join(tree, "modules.order"), []byte(strings.Join(order, "\n")), 0o644),
		os.WriteFile(filepath.Join(tree, "init"), []byte(vm.InitramfsInit), 0o755),
		w.run(ctx, "cp", kernel.file("bin", "busybox"), filepath.Join(tree, "bin", "busybox")),
		w.run(ctx, "sh", "-c", `cd "$1" && find . | cpio -o -H newc --quiet > "$2"`, "sh", tree, filepath.Join(dir, "initramfs")),
	); err != nil {
		return err
	}
	return os.RemoveAll(tree)
}

// vmlinux takes the kernel out of its compressed file: to unpack it in an emulated
// machine costs ten seconds a boot.
func (w *workshop) vmlinux(ctx context.Context, from, to string) error {
	packed, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	xz := []byte("\xfd7zXZ\x00")
	for at := bytes.Index(packed, xz); at >= 0; {
		part := to + ".xz"
		if err := os.WriteFile(part, packed[at:], 0o644); err != nil {
			return err
		}
		// What follows the stream is of the kernel's loader.
		out, err := w.output(ctx, "sh", "-c", `xz -dc --single-stream < "$1"`, "sh", part)
		if err := errors.Join(err, os.Remove(part)); err == nil && strings.HasPrefix(out, "\x7fELF") {
			return os.WriteFile(to, []byte(out), 0o644)
		}
		next := bytes.Index(packed[at+1:], xz)
		if next < 0 {
			break
		}
		at += 1 + next
	}
	return errors.New(from + " holds no kernel packed by xz")
}

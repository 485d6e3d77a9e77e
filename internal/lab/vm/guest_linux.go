package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Share is a folder of the host that the guest sees at the same path.
type Share struct {
	Path string
	// Writable is for results; without it the guest may read only.
	Writable bool
}

// Guest is one boot of a guest with one command.
type Guest struct {
	Bed  Bed
	Lane Lane
	// Disks are files, one a disk, which stay as the guest leaves them. The guest has
	// their names in $VM_DISKS.
	Disks  []string
	Shares []Share
	// Memory of the guest in MiB.
	Memory int
	// Env is added to the environment of Command.
	Env     []string
	Command []string
	// Dir is a folder for this boot; the caller removes it.
	Dir string
}

// Disk makes an empty disk of a size in bytes, sparse, for Guest.Disks.
func Disk(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Close())
}

// Run boots the guest, runs the command as root and waits until the guest is off.
// It returns what the command printed and its exit code. A guest that went off
// before the command ended, as by PowerCut, is an error that wraps ErrNoResult, and
// so is one that the context ended.
func (g Guest) Run(ctx context.Context) (out []byte, code int, err error) {
	job := filepath.Join(g.Dir, "job")
	if err := os.MkdirAll(job, 0o700); err != nil {
		return nil, 0, err
	}
	for _, old := range []string{"rc", "out"} {
		if err := os.Remove(filepath.Join(job, old)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, 0, err
		}
	}
	if err := os.WriteFile(filepath.Join(job, "cmd"), g.script(), 0o600); err != nil {
		return nil, 0, err
	}
	argv, err := g.argv(job)
	if err != nil {
		return nil, 0, err
	}
	said, err := g.boot(ctx, argv)
	if err != nil {
		return nil, 0, err
	}
	out, errOut := os.ReadFile(filepath.Join(job, "out"))
	rc, errRC := os.ReadFile(filepath.Join(job, "rc"))
	if errRC != nil {
		return out, 0, errors.Join(fmt.Errorf("%w; its last words: %s", ErrNoResult, said), ctx.Err())
	}
	if errOut != nil {
		return nil, 0, errOut
	}
	code, err = strconv.Atoi(strings.TrimSpace(string(rc)))
	return out, code, err
}

// script runs the command in the guest, with the names of its disks.
func (g Guest) script() []byte {
	var b bytes.Buffer
	prefix := "/dev/vd"
	if g.Lane == LVM {
		prefix = "/dev/ubd"
	}
	names := make([]string, len(g.Disks))
	for i := range g.Disks {
		names[i] = prefix + letter(i)
	}
	for _, env := range append([]string{"VM_DISKS=" + strings.Join(names, " "), "VM_LANE=" + string(g.Lane)}, g.Env...) {
		fmt.Fprintf(&b, "export %s\n", quote(env))
	}
	b.WriteString("exec")
	for _, word := range g.Command {
		b.WriteString(" " + quote(word))
	}
	b.WriteString("\n")
	return b.Bytes()
}

// letter names disk i; the first letter is the root disk's.
func letter(i int) string { return string(rune('b' + i)) }

func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

func (g Guest) argv(job string) ([]string, error) {
	var shares []string
	for _, s := range g.Shares {
		if strings.ContainsAny(s.Path, ", :") || !filepath.IsAbs(s.Path) {
			return nil, fmt.Errorf("folder %q cannot be shared: its path must be absolute, without comma, colon and blank", s.Path)
		}
		mode := ""
		if s.Writable {
			mode = ":rw"
		}
		shares = append(shares, s.Path+mode)
	}
	list := strings.Join(shares, ",")
	if g.Lane == LVM {
		return g.userMode(job, list)
	}
	return g.machine(job, list)
}

// userMode is the command line of user-mode Linux.
func (g Guest) userMode(job, shares string) ([]string, error) {
	modules, err := g.Bed.UserModules()
	if err != nil {
		return nil, err
	}
	argv := []string{
		g.Bed.UserMode(), fmt.Sprintf("mem=%dM", g.memory()), "ubda=" + filepath.Join(g.Dir, "cow") + "," + g.Bed.Image(),
		"root=/dev/ubda", "rw", "init=/guest-init", "quiet", "con=null", "con0=null,fd:1", "ssl=null", "umid=guest", "uml_dir=" + g.Dir + "/",
		"vmlane=" + string(LVM), "vmjob=" + job, "vmshare=" + shares, "vmmods=" + modules,
	}
	for i, disk := range g.Disks {
		argv = append(argv, "ubd"+letter(i)+"="+disk)
	}
	return argv, nil
}

// machine is the command line of qemu.
func (g Guest) machine(job, shares string) ([]string, error) {
	modules, err := g.Bed.Modules()
	if err != nil {
		return nil, err
	}
	argv := []string{
		// KVM is not asked for: nested, it hung more often than it started.
		"qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", strconv.Itoa(g.memory()), "-smp", "1",
		"-nodefaults", "-nographic", "-no-reboot", "-serial", "stdio", "-kernel", g.Bed.Kernel(), "-initrd", g.Bed.Initramfs(),
		// Without nomsi qemu 7.2 aborts in msix_table_mmio_write.
		"-append", "console=ttyS0 quiet panic=-1 tsc=reliable mitigations=off pci=nomsi no_timer_check random.trust_cpu=on vmlane=" + string(ZFS) +
			" vmjob=" + job + " vmshare=" + shares,
		// Not locked: a guest of the other lane may have the image open, and nobody
		// writes to it.
		"-drive", "file.filename=" + g.Bed.Image() + ",file.locking=off,format=raw,if=virtio,snapshot=on,cache=unsafe",
	}
	for _, disk := range g.Disks {
		argv = append(argv, "-drive", "file="+disk+",format=raw,if=virtio,cache=unsafe,discard=unmap")
	}
	share := func(path, tag, more string) {
		argv = append(argv, "-virtfs", "local,path="+path+",security_model=none,mount_tag="+tag+",multidevs=remap"+more)
	}
	share(modules, "modules", ",readonly=on")
	share(job, "share0", "")
	for i, s := range g.Shares {
		more := ",readonly=on"
		if s.Writable {
			more = ""
		}
		share(s.Path, fmt.Sprintf("share%d", i+1), more)
	}
	return argv, nil
}

func (g Guest) memory() int {
	if g.Memory > 0 {
		return g.Memory
	}
	return 1024
}

// boot runs the machine until it is off, and returns the end of its console. All
// that it started ends with it, and with the caller.
func (g Guest) boot(ctx context.Context, argv []string) (string, error) {
	console, err := os.Create(filepath.Join(g.Dir, "console"))
	if err != nil {
		return "", err
	}
	defer func() { _ = console.Close() }()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "TMPDIR="+g.memoryDir())
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		// User-mode Linux is several processes: they end with the first.
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID
	}
	kill := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel, cmd.WaitDelay = kill, 10*time.Second

	// The parent-death signal is bound to the thread that starts the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("the guest does not start: %w", err)
	}
	// Its exit code is not that of the command.
	_ = cmd.Wait()
	_ = kill()
	return tail(console), nil
}

// memoryDir is where user-mode Linux keeps its memory, a file: in memory, if there is
// enough of it.
func (g Guest) memoryDir() string {
	const shared, tmpfs = "/dev/shm", 0x01021994
	var st syscall.Statfs_t
	if err := syscall.Statfs(shared, &st); err != nil || st.Type != tmpfs || st.Bavail*uint64(st.Bsize) < uint64(2*g.memory())<<20 {
		return g.Dir
	}
	return shared
}

// tail is the end of what a file holds.
func tail(f *os.File) string {
	const shown = 2000
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err.Error()
	}
	text, err := io.ReadAll(io.NewSectionReader(f, max(size-shown, 0), shown))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

package nfs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Server exports one folder until the test ends.
type Server struct{ dir string }

// threads are those of the server: as many calls as it answers at a time.
const threads = 64

// port is that of NFS.
const port = 2049

// Serve exports dir, a folder of a file system on a disk.
func Serve(t testing.TB, dir string) *Server {
	t.Helper()
	for _, module := range []string{"nfsd", "nfs", "nfsv4"} {
		run(t, "modprobe", module)
	}
	for _, dir := range []string{"/proc/fs/nfsd", "/var/lib/nfs/v4recovery", "/var/lib/nfs/rpc_pipefs"} {
		if err := os.MkdirAll(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			t.Fatal(err)
		}
	}
	mount(t, "nfsd", "/proc/fs/nfsd", "nfsd", "")
	for _, name := range []string{"etab", "rmtab"} {
		write(t, filepath.Join("/var/lib/nfs", name), "")
	}
	// insecure: a relay has no port that is kept for root.
	write(t, "/etc/exports", dir+" 127.0.0.0/8(rw,sync,insecure,no_root_squash,no_subtree_check,fsid=1)\n")
	// Without leases there are no delegations, as with NFS 3 and many filers: with one,
	// the server would say when another client changes a file.
	write(t, "/proc/sys/fs/leases-enable", "0")
	// Nobody answers for clients of an earlier boot, so nobody is waited for.
	write(t, "/proc/fs/nfsd/nfsv4leasetime", "10\n")
	write(t, "/proc/fs/nfsd/nfsv4gracetime", "10\n")
	run(t, "exportfs", "-ra") //nolint:misspell // its name
	run(t, "rpc.nfsd", "-N", "3", strconv.Itoa(threads))
	write(t, "/proc/fs/nfsd/v4_end_grace", "Y\n")
	start(t, "rpc.mountd", "-F", "-N", "3")
	t.Cleanup(func() { _ = exec.Command("rpc.nfsd", "0").Run() }) //nolint:noctx // the test's own context has ended
	return &Server{dir: dir}
}

// Mount mounts the export at a folder, as a client of a version such as "4.2". Each way
// over its network takes delay. options are more options of mount(8), or "".
func (s *Server) Mount(t testing.TB, at, version string, delay time.Duration, options string) {
	t.Helper()
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	to := port
	if delay > 0 {
		to = relay(t, fmt.Sprintf("127.0.0.1:%d", port), delay)
	}
	opts := fmt.Sprintf("vers=%s,proto=tcp,nosharecache,port=%d", version, to)
	if options != "" {
		opts += "," + options
	}
	run(t, "mount", "-t", "nfs4", "-o", opts, "127.0.0.1:"+s.dir, at)
	t.Cleanup(func() { Unmount(t, at) })
}

// Unmount unmounts what Mount mounted; the client forgets all that it saw. It may be
// called again.
func Unmount(t testing.TB, at string) {
	t.Helper()
	if err := unix.Unmount(at, 0); err != nil && !errors.Is(err, unix.EINVAL) {
		t.Errorf("unmount %s: %v", at, err)
	}
}

func mount(t testing.TB, source, at, kind, options string) {
	t.Helper()
	if err := unix.Mount(source, at, kind, 0, options); err != nil && !errors.Is(err, unix.EBUSY) {
		t.Fatalf("mount %s: %v", at, err)
	}
}

// start starts a daemon that stays in the foreground, and stops it at the end of the test.
func start(t testing.TB, argv ...string) {
	t.Helper()
	c := exec.Command(argv[0], argv[1:]...) //nolint:noctx // ended below
	c.Stdout, c.Stderr = t.Output(), t.Output()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait()
	})
}

func run(t testing.TB, argv ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

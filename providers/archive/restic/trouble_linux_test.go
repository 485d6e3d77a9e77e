package restic

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bkp/internal/host"
	"bkp/internal/lab/bed"
	"bkp/internal/lab/loopfs"
	"bkp/internal/problem"
	"bkp/internal/secret"
	"bkp/providers"
	"bkp/providers/providertest"
)

// plain runs restic as an administrator would, with the password of the tests.
func plain(t *testing.T, repository string, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(bed.Tool(t, "restic"), args...)
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "RESTIC_REPOSITORY=" + repository, "RESTIC_PASSWORD=a password", "RESTIC_CACHE_DIR=" + t.TempDir()}
	return c
}

func must2(t *testing.T, out []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// hasProblem expects an error of this summary, with a remedy.
func hasProblem(t *testing.T, err error, summary string) {
	t.Helper()
	if p := asProblem(err); p == nil || p.Summary != summary || problem.Remedy(err) == "" {
		t.Errorf("%v, want %q", err, summary)
	}
}

func finds(t *testing.T, a *archive, summary string, severity problem.Severity) {
	t.Helper()
	r, err := a.Check(t.Context(), providers.Estimate{})
	must(t, err)
	if !slices.ContainsFunc(r.Findings, func(f providers.Finding) bool {
		return f.Summary == summary && f.Severity == severity && f.Remedy != ""
	}) {
		t.Errorf("plan finds %v, want %q", r.Findings, summary)
	}
}

// TestBedPlanSaysWhatIsWrong: each trouble is an error with a remedy, and none makes
// anything.
func TestBedPlanSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	repository := filepath.Join(dir, "repository")
	a := open(t, repository, filepath.Join(dir, "state"), nil)
	r, err := a.Check(t.Context(), providers.Estimate{Bytes: 1})
	must(t, err)
	if r.Failed() || len(r.Space) != 1 {
		t.Errorf("with init: %+v", r)
	}
	a.cfg.Init = false
	finds(t, a, missingRepository, problem.Error)
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("plan made %v", entries)
	}
	hasProblem(t, a.Reserve(t.Context(), id), missingRepository)
	must2(t, nil, plain(t, repository, "init", "--repository-version", "1").Run())
	finds(t, a, "repository has an old format", problem.Warning)
	a.cfg.Password = secret.New("another")
	finds(t, a, wrongPassword, problem.Error)
	_, _, err = a.List(t.Context())
	hasProblem(t, err, wrongPassword)
	a.cfg.Binary = "no such restic"
	finds(t, a, "tool not found", problem.Error)
}

// TestTooOld is for a restic that is on the PATH of most systems.
func TestTooOld(t *testing.T) {
	const debians = "/usr/bin/restic"
	if out, err := exec.Command(debians, "version").Output(); err != nil || !strings.Contains(string(out), "restic 0.14") {
		t.Skipf("%s is not version 0.14: %s, %v", debians, out, err)
	}
	a := newArchive(defaults(), providers.Env{Host: &host.Host{}, WorkDir: t.TempDir()})
	a.cfg.Binary, a.cfg.Repository = debians, "/nowhere"
	finds(t, a, "restic is too old", problem.Error)
}

// TestLongBedKilled kills bkp, and with it restic, in the middle of a Store: nothing is
// listed, Discard leaves nothing, the same backup can be stored then, and the locks
// of the dead are removed, where a lock is in the way.
func TestLongBedKilled(t *testing.T) {
	s := newSuite(t)
	must(t, os.WriteFile(filepath.Join(s.home, "larger"), noise(64<<20), 0o600))
	a := s.open(t, "one")
	m := s.shelf().Capture(t, later)
	_, err := a.Store(t.Context(), m, nil)
	must(t, err)
	for i, point := range []string{"record", "part", "manifest", "random", "random"} {
		must(t, os.WriteFile(filepath.Join(s.home, "larger"), noise(64<<20), 0o600))
		c := exec.Command(os.Args[0], "-test.run=^TestLongBedKilledHelper$", "-test.v")
		c.Env = append(os.Environ(), "BKP_KILLED="+strings.Join([]string{point, s.repository, s.states, s.home, s.dump}, "\n"))
		out, err := c.CombinedOutput()
		if code := new(exec.ExitError); !errors.As(err, &code) || code.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("%d %s: %v\n%s", i, point, err, out)
		}
		a := s.open(t, "one")
		want := []providers.BackupID{later}
		if point == "manifest" {
			want = []providers.BackupID{later, id}
		}
		expectListed(t, a, want...)
		must(t, a.Discard(t.Context(), id))
		if n := len(left(t, a, id)); point != "manifest" && n > 0 || point == "manifest" && n != 4 {
			t.Errorf("%d %s: %d snapshots are left", i, point, n)
		}
		_, err = a.Store(t.Context(), s.shelf().Capture(t, id), nil)
		must(t, err)
		expectListed(t, a, later, id)
		must(t, a.Delete(t.Context(), id))
		if locks, err := a.locks(t.Context()); err != nil || len(locks) > 0 {
			t.Errorf("%d %s: locks %v, %v", i, point, locks, err)
		}
	}
	must(t, a.Compact(t.Context()))
	if f, err := a.Verify(t.Context(), later); err != nil || len(f) > 0 {
		t.Errorf("%v, %v", f, err)
	}
}

// TestLongBedKilledHelper is the process that TestLongBedKilled kills.
func TestLongBedKilledHelper(t *testing.T) {
	told := strings.Split(os.Getenv("BKP_KILLED"), "\n")
	if len(told) < 2 {
		t.Skip("no test of its own")
	}
	s := suite{told[1], told[2], told[3], told[4]}
	a := s.open(t, "one")
	die := func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }
	must(t, a.Reserve(t.Context(), id))
	a.fault = func(step string) error {
		if step == told[0] {
			die()
		}
		if step == "record" && told[0] == "random" { // the parts come now
			time.AfterFunc(time.Duration(100+rand.IntN(900))*time.Millisecond, die)
		}
		return nil
	}
	_, err := a.Store(t.Context(), s.shelf().Capture(t, id), nil)
	t.Fatalf("it was not killed: %v", err)
}

func expectListed(t *testing.T, a *archive, want ...providers.BackupID) {
	t.Helper()
	list, _, err := a.List(t.Context())
	must(t, err)
	var got []providers.BackupID
	for _, m := range list {
		got = append(got, m.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("it lists %v, want %v", got, want)
	}
}

// TestBedLocked: a lock of somebody who lives, or of another machine, stays.
func TestBedLocked(t *testing.T) {
	s := newSuite(t)
	a := s.open(t, "one")
	a.lockWait = time.Second
	_, err := a.Store(t.Context(), s.shelf().Capture(t, id), nil)
	must(t, err)
	for host, prefix := range map[string][]string{"this machine": nil, "another machine": {"unshare", "--uts", "sh", "-c", `hostname another; exec "$@"`, "sh"}} {
		c := plain(t, s.repository, "backup", "--stdin", "--tag", "foreign")
		if prefix != nil {
			c.Args = append(prefix, c.Args...)
			c.Path, err = exec.LookPath(prefix[0])
			must(t, err)
		}
		in, err := c.StdinPipe()
		must(t, err)
		must(t, c.Start())
		waitForLock(t, a)
		err = a.Delete(t.Context(), id)
		hasProblem(t, err, lockedRepository)
		expectListed(t, a, id)
		must(t, c.Process.Kill())
		_ = c.Wait()
		_ = in.Close() // Wait has closed it
		if host == "another machine" {
			hasProblem(t, a.Delete(t.Context(), id), lockedRepository)
			if locks, err := a.locks(t.Context()); err != nil || len(locks) != 1 || locks[0].Hostname != "another" {
				t.Errorf("locks %v, %v", locks, err)
			}
			must2(t, nil, plain(t, s.repository, "unlock", "--remove-all").Run())
		}
		must(t, a.Delete(t.Context(), id))
		_, err = a.Store(t.Context(), s.shelf().Capture(t, id), nil)
		must(t, err)
	}
}

func waitForLock(t *testing.T, a *archive) {
	t.Helper()
	for {
		locks, err := a.locks(t.Context())
		must(t, err)
		if len(locks) > 0 {
			return
		}
	}
}

// TestBedFullDisk: nothing of what does not fit is listed, and what was there stays.
func TestBedFullDisk(t *testing.T) {
	disk := loopfs.MountSize(t, "ext4", 96<<20)
	s := newSuite(t)
	s.repository = filepath.Join(disk, "repository")
	a := s.open(t, "one")
	_, err := a.Store(t.Context(), s.shelf().Capture(t, later), nil)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(s.home, "larger"), noise(100<<20), 0o600))
	_, err = a.Store(t.Context(), s.shelf().Capture(t, id), nil)
	hasProblem(t, err, "repository has no space left")
	expectListed(t, a, later)
	must(t, os.Remove(filepath.Join(s.home, "larger")), a.Discard(t.Context(), id), a.Compact(t.Context()))
	_, err = a.Store(t.Context(), s.shelf().Capture(t, id), nil)
	must(t, err)
	for _, b := range []providers.BackupID{id, later} {
		if f, err := a.Verify(t.Context(), b); err != nil || len(f) > 0 {
			t.Errorf("%s: %v, %v", b, f, err)
		}
	}
}

// TestBedRemovedPack: the backup that needs it is damaged, another one is not, and
// snapshots that bkp did not make stay through all of it.
func TestBedRemovedPack(t *testing.T) {
	s := newSuite(t)
	a := s.open(t, "one")
	small := manifest(later, map[string]string{artifact: s.dump})
	_, err := a.Store(t.Context(), small, nil)
	must(t, err)
	before := packs(t, s.repository)
	_, err = a.Store(t.Context(), s.shelf().Capture(t, id), nil)
	must(t, err)
	foreign := plain(t, s.repository, "backup", s.dump, "--tag", "mine")
	must2(t, nil, foreign.Run())
	var largest string
	var most int64
	for path, size := range packs(t, s.repository) {
		if _, old := before[path]; !old && size > most {
			largest, most = path, size
		}
	}
	must(t, os.Rename(largest, filepath.Join(t.TempDir(), "away")))
	f, err := a.Verify(t.Context(), id)
	must(t, err)
	if !(providers.Report{Findings: f}).Failed() {
		t.Errorf("the damaged one: %v", f)
	}
	f, err = a.Verify(t.Context(), later)
	must(t, err)
	if (providers.Report{Findings: f}).Failed() || len(f) != 1 {
		t.Errorf("the other one: %v", f)
	}
	to := filepath.Join(t.TempDir(), "to")
	_, err = a.Fetch(t.Context(), id, func(art providers.Artifact) string { return filepath.Join(to, encoded(art.Address)) })
	hasProblem(t, err, fetchFailed)
	if left, _ := os.ReadDir(to); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
	must(t, a.Delete(t.Context(), id), a.Delete(t.Context(), later))
	text, err := plain(t, s.repository, "snapshots", "--json").Output()
	if list := must2(t, text, err); !strings.Contains(list, `"mine"`) || strings.Contains(list, tagBackup) {
		t.Errorf("left: %s", list)
	}
}

func packs(t *testing.T, repository string) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	found, err := filepath.Glob(filepath.Join(repository, "data", "*", "*"))
	must(t, err)
	for _, path := range found {
		info, err := os.Stat(path)
		must(t, err)
		out[path] = info.Size()
	}
	return out
}

// TestBedCompactsAndKeepsForeign: space comes back, and others' snapshots stay whole.
func TestBedCompactsAndKeepsForeign(t *testing.T) {
	s := newSuite(t)
	a := s.open(t, "one")
	must(t, os.WriteFile(filepath.Join(s.home, "larger"), noise(32<<20), 0o600))
	_, err := a.Store(t.Context(), s.shelf().Capture(t, id), nil)
	must(t, err)
	must2(t, nil, plain(t, s.repository, "backup", filepath.Join(s.home, "large"), "--tag", "mine", "--tag", "bkp").Run())
	must(t, a.Delete(t.Context(), id))
	full := total(packs(t, s.repository))
	must(t, a.Compact(t.Context()))
	if after := total(packs(t, s.repository)); after > full/2 {
		t.Errorf("%d of %d bytes are left", after, full)
	}
	to := t.TempDir()
	out, err := plain(t, s.repository, "restore", "latest", "--tag", "mine", "--target", to).CombinedOutput()
	must2(t, out, err)
	providertest.SameTrees(t, map[string]string{"large": providertest.Tree(t, s.home)["large"]}, map[string]string{"large": providertest.Tree(t, filepath.Join(to, s.home))["large"]}, nil)
}

func total(of map[string]int64) (sum int64) {
	for _, n := range of {
		sum += n
	}
	return sum
}

// TestBedPlaces: an artifact of several trees comes back as one folder, and a copy of
// the repository has it too.
func TestBedPlaces(t *testing.T) {
	s := newSuite(t)
	a := s.open(t, "one")
	nothing := t.TempDir()
	m := manifest(id, map[string]string{artifact: s.home})
	m.Artifacts[0].Trees = []providers.Tree{
		{Place: "home", Path: s.home}, {Place: "stores/0", Path: s.dump, LeaveOut: providers.Rules{"/nothing"}}, {Place: "stores/1", Path: nothing},
	}
	_, err := a.Store(t.Context(), m, nil)
	must(t, err)
	same := func(a *archive) {
		t.Helper()
		to := filepath.Join(t.TempDir(), "to")
		_, err := a.Fetch(t.Context(), id, func(providers.Artifact) string { return to })
		must(t, err)
		for place, tree := range map[string]string{"home": s.home, "stores/0": s.dump, "stores/1": nothing} {
			providertest.SameTrees(t, providertest.Tree(t, tree), providertest.Tree(t, filepath.Join(to, place)), nil)
		}
	}
	same(a)
	copied := filepath.Join(t.TempDir(), "copy")
	c := plain(t, copied, "init", "--from-repo", s.repository, "--copy-chunker-params")
	c.Env = append(c.Env, "RESTIC_FROM_PASSWORD=a password")
	out, err := c.CombinedOutput()
	must2(t, out, err)
	c = plain(t, copied, "copy", "--from-repo", s.repository)
	c.Env = append(c.Env, "RESTIC_FROM_PASSWORD=a password")
	out, err = c.CombinedOutput()
	must2(t, out, err)
	s.repository = copied
	other := s.open(t, "another")
	expectListed(t, other, id)
	same(other)
}

// TestBedAppendOnly: backups are made, nothing is removed, and both retention and the plan say so.
func TestBedAppendOnly(t *testing.T) {
	rclone, err := exec.LookPath("rclone")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v; install it: make deps", err)
		}
		t.Skipf("%v; install it: make deps", err)
	}
	s := newSuite(t)
	must(t, os.MkdirAll(s.repository, 0o700))
	port := freePort(t)
	start(t, port, exec.Command(rclone, "serve", "restic", "--append-only", "--addr", fmt.Sprintf("127.0.0.1:%d", port), "--config", os.DevNull, s.repository))
	s.repository = fmt.Sprintf("rest:http://127.0.0.1:%d/", port)
	a := s.open(t, "one")
	m := s.shelf().Capture(t, id)
	must(t, a.Reserve(t.Context(), id))
	_, err = a.Store(t.Context(), m, nil)
	must(t, err)
	expectListed(t, a, id)
	hasProblem(t, a.Delete(t.Context(), id), keepsAll)
	expectListed(t, a, id)
	finds(t, a, "retention cannot remove backups", problem.Warning)
	must(t, a.Reserve(t.Context(), later), a.Discard(t.Context(), later))
	if f, err := a.Verify(t.Context(), id); err != nil || len(f) > 0 {
		t.Errorf("%v, %v", f, err)
	}
}

// start starts a server and waits until it listens.
func start(t *testing.T, port int, c *exec.Cmd) {
	t.Helper()
	must(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	waitForPort(t, port)
}

// TestBedS3 keeps backups in an object store, with its keys in the environment of
// restic alone.
func TestBedS3(t *testing.T) {
	gateway := bed.Tool(t, "versitygw")
	port := freePort(t)
	data := t.TempDir()
	must(t, os.Mkdir(filepath.Join(data, "bucket"), 0o755))
	start(t, port, exec.Command(gateway, "--access", "user", "--secret", "a secret key", "--port", fmt.Sprintf("127.0.0.1:%d", port), "posix", data))
	s := newSuite(t)
	a := open(t, fmt.Sprintf("s3:http://127.0.0.1:%d/bucket/backups", port), filepath.Join(s.states, "one"), func(c *Config) {
		c.Environment = map[string]string{"AWS_ACCESS_KEY_ID": "user"}
		c.Secrets = []Secret{{"AWS_SECRET_ACCESS_KEY", secret.New("a secret key")}}
		c.Options = map[string]string{"s3.bucket-lookup": "path"}
	})
	m := s.shelf().Capture(t, id)
	must(t, a.Reserve(t.Context(), id))
	_, err := a.Store(t.Context(), m, nil)
	must(t, err)
	expectListed(t, a, id)
	to := filepath.Join(t.TempDir(), "to")
	_, err = a.Fetch(t.Context(), id, func(art providers.Artifact) string {
		if art.Address != artifact {
			return ""
		}
		return to
	})
	must(t, err)
	providertest.SameTrees(t, providertest.Tree(t, s.home), providertest.Tree(t, to), nil)
	if f, err := a.Verify(t.Context(), id); err != nil || len(f) > 0 {
		t.Errorf("%v, %v", f, err)
	}
	must(t, a.Delete(t.Context(), id), a.Compact(t.Context()))
	expectListed(t, a)
	a.cfg.Secrets[0].Value, a.reach = secret.New("another key"), 3*time.Second
	finds(t, a, "repository cannot be reached", problem.Error)
}

package main

import (
	"bytes"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bkp/internal/lab/aws"
	"bkp/internal/lab/sandbox"
)

const (
	amazonFar     = "eu-west-1"
	amazonAccount = "444455556666"
)

// TestAmazonKilled kills bkp at a sample of its calls to Amazon.
func TestAmazonKilled(t *testing.T) {
	const sample = 53
	killAtCalls(t, sample)
}

// TestLongBedAmazonKilled kills it at each of them; it is part of make torture.
func TestLongBedAmazonKilled(t *testing.T) {
	if os.Getenv("BKP_BEDS") != "1" {
		t.Skip("it takes an hour: make torture")
	}
	killAtCalls(t, 1)
}

// killAtCalls ends the process of bkp with SIGKILL at every so many calls of a backup and of a
// restore from copies, once before the call has its effect and once after, and expects the next
// commands to leave no snapshot without a backup, none twice, no volume, nothing shared, no lock
// and no frozen file system.
func killAtCalls(t *testing.T, every int) {
	n := 0
	for name, archives := range map[string]string{"apply": "archive.snapshots.here, archive.aws_snapshots.far", "restore": "archive.aws_snapshots.far"} {
		m := newAmazonMachine(t, archives)
		m.bkp(t, "apply", "--auto-approve") // so that there is something to prune, and to restore
		m.expect(t)
		for i, call := range m.callsOf(t, name) {
			for _, effect := range []bool{true, false} {
				if n++; n%every != 0 {
					continue
				}
				ok := t.Run(fmt.Sprint(name, " ", i, " ", call, " effect ", effect), func(t *testing.T) {
					m.killAt(t, i, effect, m.command(t, name))
					m.recovered(t)
				})
				if !ok {
					return // what it left would fail those after it
				}
			}
		}
	}
}

// amazonMachine is a machine of Amazon with a Bitbucket on it.
type amazonMachine struct {
	world      *aws.World
	server     *sandbox.Server
	dir, mount string
	target     string
	// originals is how many originals of each kind a backup keeps: 1 if an archive keeps them.
	originals   int
	environment []string
}

func newAmazonMachine(t *testing.T, archives string) *amazonMachine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a volume can be attached by root only; run the tests as root")
	}
	m := &amazonMachine{world: aws.Start(t), server: sandbox.NewServer(sandbox.Options{}), dir: t.TempDir(), mount: t.TempDir()}
	m.target = filepath.Join(m.dir, "restored")
	if strings.Contains(archives, "archive.snapshots.") {
		m.originals = 1
	}
	const days = 7
	m.world.NewDatabase("bitbucket", days)
	m.world.Write("bitbucket", "rows")
	if _, err := m.world.NewVolume(m.mount, "xfs", ebsSize); err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(m.mount, "home")
	h, err := sandbox.CreateHome(t.Context(), home, sandbox.HomeOptions{Repositories: 2, Commits: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	ts := httptest.NewServer(m.server)
	t.Cleanup(ts.Close)
	m.environment = append(os.Environ(), "BKP_AMAZON_ADMIN=admin")
	for name, value := range m.world.Env() {
		m.environment = append(m.environment, name+"="+value)
	}
	text := fmt.Sprintf(amazonKillConfig, filepath.Join(m.dir, "state"), ts.URL, home, m.world.Endpoint, m.world.Sysfs, amazonFar, amazonAccount, archives)
	if err := os.WriteFile(filepath.Join(m.dir, "main.bkp.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return m
}

const amazonKillConfig = `
bkp { state_dir = %[1]q }
instance "prod" {
  url       = %[2]q
  username  = "admin"
  password  = env("BKP_AMAZON_ADMIN")
  home      = home.aws_ebs.shared
  database  = database.aws_rds.main
  archives  = [%[8]s]
  retention = retention.one
}
home "aws_ebs" "shared" {
  path     = %[3]q
  freeze   = "fsfreeze"
  endpoint = %[4]q
  sysfs    = %[5]q
}
database "aws_rds" "main" {
  instance = "bitbucket"
  method   = "snapshot"
  endpoint = %[4]q
}
archive "snapshots" "here" {}
archive "aws_snapshots" "far" {
  region   = %[6]q
  endpoint = %[4]q
  assume_role { arn = "arn:aws:iam::%[7]s:role/bkp" }
}
retention "one" { keep_last = 1 }
`

// process is bkp, not yet started.
func (m *amazonMachine) process(out *bytes.Buffer, args ...string) *exec.Cmd {
	c := exec.Command("bkp", args...)
	c.Dir, c.Env = m.dir, m.environment
	if out != nil {
		c.Stdout, c.Stderr = out, out
	}
	return c
}

// bkp runs a command, which must succeed.
func (m *amazonMachine) bkp(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if err := m.process(&out, args...).Run(); err != nil {
		t.Fatalf("bkp %v: %v\n%s", args, err, out.String())
	}
	return out.String()
}

// backups are the ids on the list, with what it says of each.
func (m *amazonMachine) backups(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for line := range strings.Lines(m.bkp(t, "list")) {
		if f := strings.Fields(line); len(f) > 0 && strings.HasPrefix(f[0], "prod-") {
			out[f[0]] = line
		}
	}
	return out
}

// command is a backup, or a restore of the newest one to places where nothing is.
func (m *amazonMachine) command(t *testing.T, name string) []string {
	t.Helper()
	if name == "apply" {
		return []string{"apply", "--auto-approve"}
	}
	m.world.Drop("again")
	if err := os.RemoveAll(m.target); err != nil {
		t.Fatal(err)
	}
	newest := slices.Max(slices.Collect(maps.Keys(m.backups(t))))
	return []string{"restore", newest, "--home", m.target, "--database", "again", "--auto-approve"}
}

// callsOf are the calls of a command that nobody disturbs.
func (m *amazonMachine) callsOf(t *testing.T, name string) []string {
	t.Helper()
	args := m.command(t, name)
	before := len(m.world.Calls())
	m.bkp(t, args...)
	return m.world.Calls()[before:]
}

// killAt runs bkp and kills it at a call, which has its effect nevertheless, or has none. The
// guardian and the process that thaws are left alone.
func (m *amazonMachine) killAt(t *testing.T, call int, effect bool, args []string) {
	t.Helper()
	c := m.process(nil, args...) // others of its processes go on, and would keep a pipe open
	f := aws.Fault{Action: "*", Skip: call, Lost: effect, Then: func() { _ = c.Process.Kill() }}
	if !effect {
		f.Code = "InternalFailure"
	}
	m.world.Disturb(f)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	m.world.Calm()
	if c.ProcessState.Exited() && c.ProcessState.ExitCode() == 0 {
		t.Log("it ended before it was killed")
	}
}

// recovered waits for what outlives bkp, and makes the next commands.
func (m *amazonMachine) recovered(t *testing.T) {
	t.Helper()
	const patience = 90 * time.Second
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !m.server.State().Idle() || amazonFrozen(m.mount) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v: the instance is %+v, frozen %v", patience, m.server.State(), amazonFrozen(m.mount))
		}
		<-tick.C
	}
	m.bkp(t, "recover")
	m.world.Advance(time.Hour)          // of what RDS was still making
	m.bkp(t, "apply", "--auto-approve") // which finds what is left
	for id, line := range m.backups(t) {
		if strings.Contains(line, "captured") {
			m.bkp(t, "apply", "--resume", id, "--auto-approve")
		}
	}
	m.bkp(t, "prune", "--auto-approve")
	m.expect(t)
}

// expect is one backup: a snapshot of the volume and one of the database, if an archive keeps
// these, a copy of each, and nothing else.
func (m *amazonMachine) expect(t *testing.T) {
	t.Helper()
	all := slices.Collect(maps.Keys(m.backups(t)))
	snapshots, made := m.world.Left()
	_, databases := m.world.Databases()
	copies, _ := m.world.LeftIn(amazonAccount, amazonFar)
	_, others := m.world.DatabasesIn(amazonAccount, amazonFar)
	if len(all) != 1 || len(snapshots) != m.originals || len(databases) != m.originals || len(copies) != 1 || len(others) != 1 || len(made) > 0 {
		t.Errorf("backups %v\nsnapshots %s\ndatabases %v\ncopies %s\n%v\nvolumes %v", all, strings.Join(snapshots, "\n"), databases, strings.Join(copies, "\n"), others, made)
	}
	for _, s := range append(snapshots, copies...) {
		if len(all) == 1 && !strings.Contains(s, all[0]) {
			t.Errorf("of no backup: %s", s)
		}
	}
	if shared := m.world.Shared(); len(shared) > 0 {
		t.Errorf("shared: %v", shared)
	}
}

// amazonFrozen reports whether a file system is frozen: freezing it again is refused.
func amazonFrozen(mount string) bool {
	const freeze, thaw = 0xC0045877, 0xC0045878
	f, err := os.Open(mount)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	if unix.IoctlSetInt(int(f.Fd()), freeze, 0) != nil {
		return true
	}
	_ = unix.IoctlSetInt(int(f.Fd()), thaw, 0)
	return false
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"bkp/internal/lab/sandbox"
	"bkp/internal/lab/sandbox/proxy"
	"bkp/internal/records/journal"
)

const (
	// patience is how long anything may take that has to come to an end; no
	// machine is so busy that this matters.
	patience = 2 * time.Minute
	// lying is how long a lie without end goes on before it is healed.
	lying = 4 * time.Second
	tick  = 2 * time.Millisecond
	// drain is short, but long enough to be killed in.
	drain = 50 * time.Millisecond
)

const configuration = `bkp { state_dir = "state" }
instance "lies" {
  url       = %q
  username  = "admin"
  password  = env("LIES_ADMINISTRATOR")
  home      = home.mirror.shared
  database  = database.embedded.main
  archives  = [archive.tar.local]
  retention = retention.few
  lock {
    drain_timeout = "2s"
    budget        = "20s"
    grace         = "1s"
  }
}
home "mirror" "shared" { path = %q }
database "embedded" "main" {}
archive "tar" "local" { destination = "archives" }
retention "few" { keep_last = 1 }
`

// scene is an instance behind a proxy, and a configuration of bkp. Cases follow
// each other in it.
type scene struct {
	program string
	dir     string
	server  *sandbox.Server
	proxy   *proxy.Proxy
	http    *httptest.Server
	content *sandbox.Home
}

// newScene makes one in dir; the caller closes it.
func newScene(ctx context.Context, program, dir string) (_ *scene, err error) {
	c := &scene{program: program, dir: dir, server: sandbox.NewServer(sandbox.Options{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	for _, d := range []string{"tmp", "archives"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return nil, err
		}
	}
	home := filepath.Join(dir, "home")
	if c.content, err = sandbox.CreateHome(ctx, home, sandbox.HomeOptions{Repositories: 1, Commits: 1}); err != nil {
		return nil, err
	}
	c.proxy = proxy.New(c.server)
	c.http = httptest.NewServer(c.proxy)
	text := fmt.Sprintf(configuration, c.http.URL, home)
	return c, os.WriteFile(filepath.Join(dir, "main.bkp.hcl"), []byte(text), 0o600)
}

// close ends what is left of bkp, and removes everything.
func (c *scene) close() error {
	c.kill()
	if c.http != nil {
		c.http.Close()
	}
	var err error
	if c.content != nil {
		err = c.content.Close()
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}

// mark is in the environment of every process of this scene: PATH is handed on
// to the guardian too.
func (c *scene) mark() string { return filepath.Join(c.dir, "nothing-here") }

// processes are those of bkp in this scene.
func (c *scene) processes() []int {
	var pids []int
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range files {
		env, err := os.ReadFile(f)
		if err != nil || !bytes.Contains(env, []byte(c.mark())) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// kill kills bkp and its guardian at once, as a power cut does: none of them
// acts on the other's death.
func (c *scene) kill() {
	pids := c.processes()
	for _, s := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL} {
		for _, pid := range pids {
			_ = syscall.Kill(pid, s)
		}
	}
}

// gone waits until no process of bkp is left, and reports whether that came.
func (c *scene) gone(ctx context.Context) bool {
	return until(ctx, func() bool { return len(c.processes()) == 0 })
}

// until waits for a condition, and reports whether it came.
func until(ctx context.Context, met func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	t := time.NewTicker(tick)
	defer t.Stop()
	for !met() {
		select {
		case <-ctx.Done():
			return false
		case <-t.C:
		}
	}
	return true
}

// disturbed is how often the proxy has lied in this case.
func (c *scene) disturbed() int {
	if rules := c.proxy.Records(); len(rules) > 0 {
		return rules[0].Disturbed
	}
	return 0
}

// tokenKnown reports whether a run that may have left the instance locked has
// written down its token.
func (c *scene) tokenKnown() bool {
	runs, err := journal.Unfinished(c.journal())
	for _, r := range runs {
		if r.UnlockToken != "" {
			return true
		}
	}
	return err != nil
}

func (c *scene) journal() string { return filepath.Join(c.dir, "state", "journal") }

// process is a bkp that runs.
type process struct {
	cmd   *exec.Cmd
	said  bytes.Buffer
	ended chan struct{} // closed at the end
}

func (c *scene) start(args ...string) (*process, error) {
	p := &process{cmd: exec.Command(c.program, args...), ended: make(chan struct{})} //nolint:noctx // wait ends it
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = c.dir, &p.said, &p.said
	p.cmd.Env = []string{
		"PATH=" + os.Getenv("PATH") + ":" + c.mark(), "HOME=" + c.dir, "TMPDIR=" + filepath.Join(c.dir, "tmp"),
		"NO_COLOR=1", "LIES_ADMINISTRATOR=admin",
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // the state shows
	}()
	return p, nil
}

// wait returns false, and ends the process, if it does not end by itself.
func (p *process) wait(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-p.ended:
		return true
	case <-ctx.Done():
		_ = p.cmd.Process.Kill()
		<-p.ended
		return false
	}
}

// spoken is what a bkp said that has ended.
type spoken struct {
	code int
	text string
}

// String is the end of it, which says what happened; --only shows all.
func (s spoken) String() string {
	const most = 400
	text := strings.TrimSpace(s.text)
	if len(text) > most {
		text = "…" + text[len(text)-most:]
	}
	return fmt.Sprintf("exit code %d: %s", s.code, text)
}

func (p *process) spoken() spoken { return spoken{p.cmd.ProcessState.ExitCode(), p.said.String()} }

// bkp runs it to its end.
func (c *scene) bkp(ctx context.Context, args ...string) (spoken, error) {
	p, err := c.start(args...)
	if err != nil {
		return spoken{}, err
	}
	if !p.wait(ctx) {
		return p.spoken(), fmt.Errorf("bkp %s does not end; it says: %s", args[0], p.said.String())
	}
	return p.spoken(), nil
}

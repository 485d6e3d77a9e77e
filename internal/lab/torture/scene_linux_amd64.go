package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"bkp/internal/lab/sandbox"
	"bkp/internal/lab/torture/trace"
	"bkp/internal/records/catalog"
)

// site is what all scenes share.
type site struct {
	program string
	dir     string
	scratch string            // for drills
	restic  string            // its program, "" without one
	engines map[string]engine // by database strategy
	seed    uint64
	// budget of the lock window where something hangs.
	budget time.Duration
	// within is how long after the end of bkp an instance may stay locked.
	within time.Duration
	// tracers is a pool of as many as cases run at once.
	tracers chan *trace.Tracer

	mu     sync.Mutex
	scenes int
}

const (
	administrator = "admin"
	drain         = 30 * time.Millisecond
)

// scene is an instance with its home, its database and a configuration of bkp.
// Cases follow each other in it.
type scene struct {
	site     *site
	database string
	home     string // strategy
	kind     string // of the archive
	archive  archive
	dir      string
	engine   engine // nil if the database is embedded
	name     string // of the database in it
	block    string // of the database in the configuration
	password string
	server   *sandbox.Server
	http     *httptest.Server
	content  *sandbox.Home
	port     int
	load     *sandbox.Load
	// took is how long an act took when it was last undisturbed.
	took map[act]time.Duration
	// subject is the backup that the act is about, unless it makes one.
	subject string

	mu     sync.Mutex
	tokens []string
	known  map[string]bool // backups that were proven, or were there before
}

const configuration = `bkp { state_dir = "state" }
instance "torture" {
  url       = %q
  username  = %q
  password  = env("TORTURE_ADMINISTRATOR")
  home      = home.%s.shared
  database  = database.%s.main
  archives  = [%[9]s]
  retention = retention.few
  lock {
    drain_timeout = %[8]q
    budget        = %[5]q
    grace         = "1s"
  }
}
home %[3]q "shared" { path = %[6]q }
%[7]s
%[10]s
retention "few" { keep_last = 2 }
`

// newScene makes one; the caller closes it.
func (s *site) newScene(ctx context.Context, of scenario) (_ *scene, err error) {
	database, home := of.database, of.home
	s.mu.Lock()
	s.scenes++
	n := s.scenes
	s.mu.Unlock()
	c := &scene{
		site: s, database: database, home: home, kind: of.archive, dir: filepath.Join(s.dir, fmt.Sprint("scene-", n)),
		// Characters that look different in a URL, in JSON and in base64.
		password: `sé"c/r+e t&%?` + rand.Text(), known: map[string]bool{}, took: map[act]time.Duration{},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close(ctx))
		}
	}()
	options := sandbox.HomeOptions{Repositories: 3, Commits: 2}
	block := `database "embedded" "main" {}`
	if c.engine = s.engines[database]; c.engine != nil {
		c.name = fmt.Sprint("scene", n)
		if err := c.engine.CreateDatabase(ctx, c.name); err != nil {
			return nil, err
		}
		options.Database = c.engine.URL(c.name)
		user, _ := c.engine.account()
		more := ""
		if f, ok := c.engine.(filing); ok {
			more = f.attributes(c.name)
		}
		block = fmt.Sprintf("database %q \"main\" {\n  host = %q\n  port = %d\n  database = %q\n  username = %q\n  password = env(\"TORTURE_DATABASE\")\n%s}",
			database, c.engine.Host(), c.engine.Port(), c.name, user, more)
	}
	for _, d := range []string{"tmp", "archives"} {
		if err := os.MkdirAll(filepath.Join(c.dir, d), 0o700); err != nil {
			return nil, err
		}
	}
	if err := makePassable(c.scratch()); err != nil {
		return nil, err
	}
	if c.archive, err = c.openArchive(of.archive); err != nil {
		return nil, err
	}
	if c.content, err = sandbox.CreateHome(ctx, c.homeDir(), options); err != nil {
		return nil, err
	}
	c.server = sandbox.NewServer(sandbox.Options{User: administrator, Password: c.password, Corners: sandbox.Corners{Drain: sandbox.Duration(drain)}})
	c.http = httptest.NewServer(c.listening())
	c.port = c.http.Listener.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // it is one
	c.block = block
	return c, c.configure(ample)
}

// ample is a budget that no busy machine uses up.
const ample = 10 * time.Minute

// configure writes the configuration with a budget of the lock window.
func (c *scene) configure(budget time.Duration) error {
	text := fmt.Sprintf(configuration, c.http.URL, administrator, c.home, c.database, budget, c.homeDir(), c.block, budget/2, c.archive.address(), c.archive.block())
	return os.WriteFile(filepath.Join(c.dir, "main.bkp.hcl"), []byte(text), 0o600)
}

// listening is the instance, and notes the tokens that it gives out.
func (c *scene) listening() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			c.server.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		c.server.ServeHTTP(answer, r)
		var given struct{ UnlockToken, CancelToken string }
		if json.Unmarshal(answer.Body.Bytes(), &given) == nil {
			c.note(given.UnlockToken, given.CancelToken)
		}
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = io.Copy(w, answer.Body)
	})
}

func (c *scene) note(tokens ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range tokens {
		if t != "" {
			c.tokens = append(c.tokens, t)
		}
	}
}

func (c *scene) homeDir() string  { return filepath.Join(c.dir, "home") }
func (c *scene) stateDir() string { return filepath.Join(c.dir, "state") }
func (c *scene) archives() string { return filepath.Join(c.dir, "archives") }

// close removes everything.
func (c *scene) close(ctx context.Context) error {
	var err error
	if c.load != nil {
		err = errors.Join(err, c.load.Stop())
	}
	if c.http != nil {
		c.http.Close()
	}
	if c.archive != nil {
		c.archive.close()
	}
	if c.content != nil {
		err = errors.Join(err, c.content.Close())
	}
	if c.engine != nil {
		err = errors.Join(err, c.engine.drop(ctx, c.name))
	}
	return errors.Join(err, os.RemoveAll(c.dir), os.RemoveAll(c.scratch()))
}

// busy lets three users push until the function that it returns is called.
func (c *scene) busy(ctx context.Context, pause time.Duration) (stop func() error) {
	c.load = sandbox.StartLoad(ctx, c.server, c.content, sandbox.LoadOptions{Writers: 3, Pause: pause, Tiring: 200})
	return c.load.Stop
}

// clear takes bkp's traces away: the next backup is the first.
func (c *scene) clear(ctx context.Context) error {
	return errors.Join(os.RemoveAll(c.stateDir()), c.archive.clear(ctx))
}

func (c *scene) env() []string {
	all := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + c.dir, "TMPDIR=" + filepath.Join(c.dir, "tmp"), "NO_COLOR=1",
		"TORTURE_ADMINISTRATOR=" + c.password,
	}
	if c.engine != nil {
		_, password := c.engine.account()
		all = append(all, "TORTURE_DATABASE="+password)
	}
	return append(all, c.archive.env()...)
}

func (c *scene) argv(args ...string) []string { return append([]string{c.site.program}, args...) }

// spoken is what an undisturbed bkp said.
type spoken struct {
	code     int
	out, err string
}

func (s spoken) String() string { return fmt.Sprintf("exit code %d\n%s%s", s.code, s.out, s.err) }

// bkp runs it undisturbed.
func (c *scene) bkp(ctx context.Context, args ...string) (spoken, error) {
	const patience = 5 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, c.site.program, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.dir, c.env(), &out, &errs
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = nil
	}
	return spoken{cmd.ProcessState.ExitCode(), out.String(), errs.String()}, err
}

// backUp runs bkp apply undisturbed.
func (c *scene) backUp(ctx context.Context) (spoken, error) {
	begun := time.Now()
	said, err := c.bkp(ctx, "apply", "--auto-approve")
	c.took[actAgain] = time.Since(begun)
	return said, err
}

// listed are the backups that bkp lists.
func (c *scene) listed(ctx context.Context) ([]catalog.Entry, error) {
	said, err := c.bkp(ctx, "list", "--json")
	if err != nil || said.code != 0 {
		return nil, errors.Join(err, fmt.Errorf("bkp list: %s", said))
	}
	var all []catalog.Entry
	for line := range strings.Lines(said.out) {
		var e struct {
			Event string `json:"event"`
			catalog.Entry
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return nil, err
		}
		if e.Event == "backup" {
			all = append(all, e.Entry)
		}
	}
	return all, nil
}

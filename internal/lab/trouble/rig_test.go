package trouble_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"bkp/internal/cli"
	"bkp/internal/event"
	"bkp/internal/lab/sandbox"
	"bkp/internal/pgserver"
)

// TestMain lets tests run bkp as a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"bkp": func() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// deadline is how long a run may take in whatever trouble.
const deadline = 5 * time.Minute

// rig is an instance with its home and database, and bkp with its folders.
type rig struct {
	// dir holds the configuration; state and archives may lie elsewhere.
	dir, state, archives string
	home                 *sandbox.Home
	server               *sandbox.Server
	// url and dbPort are what bkp is given: a proxy may stand between.
	url    string
	dbPort int
	pg     *pgserver.Server
	// strategy of the home.
	strategy string
	// lock holds attributes of the lock block.
	lock string
	// pushes counts what users did.
	pushes int

	mu sync.Mutex
	// hook is called before each request of bkp is answered.
	hook func(*http.Request)
}

// newRig makes a small instance on PostgreSQL.
func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{dir: t.TempDir(), server: sandbox.NewServer(sandbox.Options{}), strategy: "mirror"}
	r.state, r.archives = filepath.Join(r.dir, "state"), filepath.Join(r.dir, "archives")
	// No test's folder: an account without rights must get in.
	pgDir, err := os.MkdirTemp("", "bkp-trouble")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(pgDir) })
	if r.pg, err = pgserver.Start(t.Context(), pgDir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err, "; install it: make deps")
	}
	t.Cleanup(func() { _ = r.pg.Stop() })
	must(t, r.pg.CreateDatabase(t.Context(), "bitbucket"))
	r.home, err = sandbox.CreateHome(t.Context(), filepath.Join(r.dir, "home"), sandbox.HomeOptions{
		Repositories: 3, Commits: 3, Database: r.pg.URL("bitbucket"),
	})
	must(t, err)
	t.Cleanup(func() { _ = r.home.Close() })
	ts := httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(ts.Close)
	r.url, r.dbPort = ts.URL, r.pg.Port()
	return r
}

func (r *rig) serve(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	hook := r.hook
	r.mu.Unlock()
	if hook != nil {
		hook(req)
	}
	r.server.ServeHTTP(w, req)
}

func (r *rig) onRequest(hook func(*http.Request)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hook = hook
}

const config = `
bkp { state_dir = %q }
instance "prod" {
  url       = %q
  username  = "admin"
  password  = env("TROUBLE_ADMIN")
  home      = home.%s.shared
  database  = database.postgresql.main
  archives  = [archive.tar.local]
  retention = retention.few
  lock { %s }
}
home %q "shared" { path = %q }
database "postgresql" "main" {
  host     = %q
  port     = %d
  database = "bitbucket"
  username = %q
  password = env("TROUBLE_DATABASE")
}
archive "tar" "local" { destination = %q }
retention "few" { keep_last = 2 }
`

// configure writes the configuration.
func (r *rig) configure(t *testing.T) {
	t.Helper()
	text := fmt.Sprintf(config, r.state, r.url, r.strategy, r.lock, r.strategy, filepath.Join(r.dir, "home"), r.pg.Host(), r.dbPort, r.pg.User(), r.archives)
	must(t, os.WriteFile(filepath.Join(r.dir, "main.bkp.hcl"), []byte(text), 0o600))
}

// process is a bkp that runs.
type process struct {
	cmd *exec.Cmd
	// said is all output; ended is closed at the end.
	said  words
	ended chan struct{}
}

// words is a buffer for two writers.
type words struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *words) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(b)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// command is bkp with arguments.
func (r *rig) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "bkp", args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "TROUBLE_ADMIN=admin", "TROUBLE_DATABASE="+r.pg.Password(), "NO_COLOR=1")
	return cmd
}

// apply starts a backup, and calls on with each of its events.
func (r *rig) apply(t *testing.T, on func(*process, event.Event)) *process {
	t.Helper()
	r.configure(t)
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	p := &process{cmd: r.command(ctx, "apply", "--auto-approve", "--json"), ended: make(chan struct{})}
	p.cmd.Stderr = &p.said
	out, err := p.cmd.StdoutPipe()
	must(t, err)
	must(t, p.cmd.Start())
	go func() {
		defer close(p.ended)
		defer cancel()
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			_, _ = fmt.Fprintf(&p.said, "%s\n", lines.Bytes())
			var e event.Event
			if on != nil && json.Unmarshal(lines.Bytes(), &e) == nil {
				on(p, e)
			}
		}
		_ = p.cmd.Wait()
	}()
	return p
}

// wait returns the exit code, and what bkp said.
func (p *process) wait(t *testing.T) (code int, said string) {
	t.Helper()
	<-p.ended
	if !p.cmd.ProcessState.Exited() {
		t.Errorf("bkp was ended by %s:\n%s", p.cmd.ProcessState, p.said.String())
	}
	return p.cmd.ProcessState.ExitCode(), p.said.String()
}

// run runs a command of bkp to its end.
func (r *rig) run(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	out, err := r.command(ctx, args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit != nil {
		code = exit.ExitCode()
	}
	return code, string(out)
}

// free waits until the instance is, for far longer than the guardian takes.
func (r *rig) free(t *testing.T, said string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); !r.server.State().Idle(); <-tick.C {
		if time.Since(begun) > 2*time.Minute {
			t.Fatalf("left in state %+v:\n%s", r.server.State(), said)
		}
	}
}

// sound makes a backup when the trouble is over, and looks that everything
// listed verifies and nothing half-made is left.
func (r *rig) sound(t *testing.T) {
	t.Helper()
	r.onRequest(nil)
	if code, said := r.run(t, "recover"); code != 0 {
		t.Errorf("recover ended with %d:\n%s", code, said)
	}
	code, said := r.apply(t, nil).wait(t)
	if code != 0 {
		t.Fatalf("the next backup ended with %d:\n%s", code, said)
	}
	r.free(t, said)
	code, said = r.run(t, "list", "--json")
	ids := regexp.MustCompile(`"id":"(prod-[^"]*)".*"status":"(\w+)"`).FindAllStringSubmatch(said, -1)
	if code != 0 || len(ids) == 0 {
		t.Fatalf("list ended with %d:\n%s", code, said)
	}
	for _, id := range ids {
		if id[2] != "complete" {
			continue // to be resumed
		}
		if code, said := r.run(t, "verify", id[1]); code != 0 {
			t.Errorf("%s is listed, and verify ends with %d:\n%s", id[1], code, said)
		}
	}
	r.clean(t)
}

// clean looks for what is half-made.
func (r *rig) clean(t *testing.T) {
	t.Helper()
	for _, root := range []string{r.state, r.archives} {
		must(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			name := filepath.Base(path)
			for _, litter := range []string{".partial", ".reserved", ".bkp-part-"} {
				if strings.Contains(name, litter) {
					t.Errorf("left behind: %s", path)
				}
			}
			return err
		}))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sampled reports whether the case n of many is tried: all with BKP_TROUBLE=all,
// as make torture does, otherwise one in a few.
func sampled(n, few int) bool { return everything() || n%few == 0 }

func everything() bool { return os.Getenv("BKP_TROUBLE") == "all" }

func itoa(n int) string { return strconv.Itoa(n) }

var backupIDs = regexp.MustCompile(`prod-\d{8}T\d{6}Z`)

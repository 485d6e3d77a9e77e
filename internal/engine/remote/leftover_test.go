package remote

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bkp/internal/host"
	"bkp/providers"
)

// haltConfig is a strategy whose restore halts at a point, as one that takes long does.
type haltConfig struct {
	providers.Placed
	Dir string `hcl:"dir" help:"x"`
	At  string `hcl:"at" help:"x"`
}

// The points at which a restore halts.
const (
	whileUnpacking = "unpacking"
	whileRestoring = "restoring"
	oncePlaced     = "placed"
)

func halting() providers.Definition {
	return providers.Define(providers.Homes, "halt", "x", haltConfig{}, func(c haltConfig, _ providers.Env) (providers.Strategy, error) {
		return halt{probe{verb: func(context.Context, string) error { return nil }}, c}, nil
	})
}

type halt struct {
	probe
	cfg haltConfig
}

func (h halt) Restorer(string) (providers.Restorer, error) { return haltRestorer{cfg: h.cfg}, nil }

type haltRestorer struct {
	providers.BaseRestorer
	cfg haltConfig
}

func (r haltRestorer) new() string { return filepath.Join(r.cfg.Dir, "new") }

func (r haltRestorer) Stage(b providers.BackupID) string {
	return filepath.Join(r.new(), providers.RestorePrefix+"home-"+string(b))
}

func (r haltRestorer) Leavings(providers.Artifact) []string {
	return []string{filepath.Join(r.new(), providers.RestorePrefix+"password")}
}

// Restore leaves the copy in its place, and a file with a password.
func (r haltRestorer) Restore(ctx context.Context, a providers.Artifact) error {
	if err := os.WriteFile(r.Leavings(a)[0], []byte("x"), 0o600); err != nil {
		return err
	}
	if r.cfg.At == oncePlaced {
		if err := os.Rename(filepath.Join(a.Dir(), "home"), filepath.Join(r.new(), "home")); err != nil {
			return err
		}
	}
	return reached(ctx, r.cfg.Dir)
}

// reached says that the point is reached, and halts until the caller ends it.
func reached(ctx context.Context, dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "reached"), nil, 0o600); err != nil {
		return err
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

// haltPacker unpacks a folder, whose sender may halt.
type haltPacker struct{}

func (haltPacker) Pack(ctx context.Context, w io.Writer, p providers.Packing, _ providers.Record) error {
	dir := p.Artifact.Address // that of the test's artifact
	if _, err := io.WriteString(w, dir); err != nil || !strings.HasSuffix(dir, whileUnpacking) {
		return err
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

func (haltPacker) Unpack(_ context.Context, r io.Reader, p providers.Packing, stage string) error {
	err := os.MkdirAll(filepath.Join(stage, "home"), 0o700)
	dir := filepath.Dir(filepath.Dir(stage))
	if strings.HasSuffix(p.Artifact.Address, whileUnpacking) {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, "reached"), nil, 0o600))
	}
	_, copied := io.Copy(io.Discard, r)
	return errors.Join(err, copied)
}

// killable is a machine that is a process, each time that it is connected to.
type killable struct {
	shell
	mu      sync.Mutex
	started []*process
}

func (k *killable) Start(ctx context.Context, script string) (providers.Stream, error) {
	s, err := k.shell.Start(ctx, script)
	if p, ok := s.(*process); ok && err == nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.started = append(k.started, p)
	}
	return s, err
}

// agent is the process that runs last.
func (k *killable) agent() *process {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.started[len(k.started)-1]
}

// haltedAt begins a restore on a machine, and returns when it has reached the point;
// failed is how it ends.
func haltedAt(t *testing.T, point string) (dir string, conn *killable, s *Session, failed <-chan error) {
	t.Helper()
	dir = t.TempDir()
	conn = &killable{shell: shell{words: []string{`exec "$@"`, "sh"}, settings: providers.ConnectionSettings{StateDir: filepath.Join(dir, "state"), Install: true, Timeout: 20 * time.Second}}}
	s = NewSession("connection.x.y", conn, func(string) {})
	t.Cleanup(s.Close)
	address := "home.halt." + point
	st, err := Open(Opening{
		Session: s, Definition: halting(), Config: &haltConfig{Dir: dir, At: point}, Work: "work/x", Packer: haltPacker{},
		Env: providers.Env{Address: address, Host: &host.Host{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := st.Restorer("")
	if err != nil {
		t.Fatal(err)
	}
	r.Stage(id)
	ended := make(chan error, 1)
	go func() {
		ended <- r.Restore(context.Background(), providers.Artifact{Address: address, Trees: providers.OneTree(dir)})
	}()
	late := time.After(time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(filepath.Join(dir, "reached")); err == nil {
			return dir, conn, s, ended
		}
		select {
		case err := <-ended:
			t.Fatalf("%s: ended with %v", point, err)
		case <-late:
			t.Fatalf("%s: not reached", point)
		case <-tick.C:
		}
	}
}

// made are the names of what a restore made.
func made(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "new"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// stays is what a restore that ended at a point leaves: what has its place.
func stays(point string) []string {
	if point == oncePlaced {
		return []string{"home"}
	}
	return nil
}

var points = []string{whileUnpacking, whileRestoring, oncePlaced}

// TestWhatAKilledAgentLeftIsRemoved: when the next session asks for it, or
// begins to work in the component's folder.
func TestWhatAKilledAgentLeftIsRemoved(t *testing.T) {
	next := map[string]func(s *Session, conn *killable) error{
		"tidied": func(s *Session, _ *killable) error {
			return errors.Join(s.Tidy(t.Context(), "work/x"), s.Tidy(t.Context(), "work/x"))
		},
		"backed up": func(s *Session, _ *killable) error {
			st, err := Open(Opening{Session: s, Definition: halting(), Config: &haltConfig{}, Work: "work/x", Env: providers.Env{Address: "home.halt.other", Host: &host.Host{}}})
			if err != nil {
				return err
			}
			return st.Prepare(t.Context(), id)
		},
	}
	for _, point := range points {
		for name, do := range next {
			dir, conn, s, failed := haltedAt(t, point)
			if err := conn.agent().cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := <-failed; err == nil {
				t.Errorf("%s: the restore is said to have succeeded", point)
			}
			if got := made(t, dir); len(got) == 0 {
				t.Errorf("%s: nothing is left to be removed: %q", point, got)
			}
			precious := filepath.Join(dir, "new", "precious")
			if err := os.WriteFile(precious, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := do(s, conn); err != nil {
				t.Errorf("%s, %s: %v", point, name, err)
			}
			if got := made(t, dir); !slices.Equal(got, append(stays(point), "precious")) {
				t.Errorf("%s, %s: there is %q", point, name, got)
			}
			if _, err := os.Stat(filepath.Join(dir, "state", "work", "x.restore.json")); err == nil {
				t.Errorf("%s, %s: the record is still there", point, name)
			}
		}
	}
}

// TestAnAgentThatIsLeftRemovesWhatItMade by itself, and the folders above.
func TestAnAgentThatIsLeftRemovesWhatItMade(t *testing.T) {
	for _, point := range points {
		dir, conn, s, failed := haltedAt(t, point)
		agent := conn.agent()
		if err := agent.in.Close(); err != nil { // as when this process is killed
			t.Fatal(err)
		}
		if err := <-failed; err == nil {
			t.Errorf("%s: the restore is said to have succeeded", point)
		}
		_ = agent.cmd.Wait()
		if got := made(t, dir); !slices.Equal(got, stays(point)) {
			t.Errorf("%s: there is %q", point, got)
		}
		if _, err := os.Stat(filepath.Join(dir, "new")); (err == nil) != (point == oncePlaced) {
			t.Errorf("%s: the folder above: %v", point, err)
		}
		s.Close()
	}
}

// TestNothingIsTidiedUnderARestore: another session waits for its end.
func TestNothingIsTidiedUnderARestore(t *testing.T) {
	dir, conn, s, failed := haltedAt(t, whileRestoring)
	before := made(t, dir)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	second := NewSession("connection.x.y", conn, func(string) {})
	if err := second.Tidy(ctx, "work/x"); err == nil {
		t.Error("it is said to be tidy")
	}
	ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := s.Tidy(ctx, "work/x"); err == nil {
		t.Error("it is said to be tidy")
	}
	if got := made(t, dir); !slices.Equal(got, before) {
		t.Errorf("there is %q, and was %q", got, before)
	}
	second.Close()
	s.Close()
	if err := <-failed; err == nil {
		t.Error("a restore whose session was closed succeeded")
	}
}

package searchserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bkp/internal/lab/bed"
)

const (
	// nobody is the user that servers run as. It needs no account.
	nobody = 65534
	// startTimeout is how long a server may take on a busy machine.
	startTimeout = 4 * time.Minute
	stopTimeout  = 30 * time.Second
)

// Server runs until the end of the test.
type Server struct {
	URL string
	// Snapshots is the folder in path.repo: locations of repositories lie below it, and
	// those of the stand-in's buckets are bucket-NAME.
	Snapshots string
	// User and Password of the administrator, "" without authentication.
	User, Password string

	product Product
	dir     string
	java    string
	process *exec.Cmd
	ended   chan struct{}
}

// Start starts a server. With secure, it wants a password; only Elasticsearch can. The
// test is skipped without beds.
func Start(t testing.TB, p Product, secure bool) *Server {
	t.Helper()
	stage := bed.Stage(t, p.Name)
	java, err := javaHome(p.java)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	// Not the test's own folder, which only its user may enter.
	dir, err := os.MkdirTemp("", "searchserver-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &Server{product: p, dir: dir, java: java, Snapshots: filepath.Join(dir, "snapshots")}
	if err := s.install(t, filepath.Join(stage, p.Folder()), secure); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.stop(syscall.SIGTERM) })
	s.Restart(t)
	return s
}

func (s *Server) folder(name ...string) string {
	return filepath.Join(append([]string{s.dir}, name...)...)
}

// install copies the server to where its user can read it, and configures it.
func (s *Server) install(t testing.TB, from string, secure bool) error {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", from, s.folder("server")).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", s.folder("server", "config"), s.folder("config")).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	for _, d := range []string{"data", "logs", "snapshots", "tmp"} {
		if err := os.Mkdir(s.folder(d), 0o700); err != nil {
			return err
		}
	}
	web, inner := freePort(t), freePort(t)
	s.URL = "http://127.0.0.1:" + strconv.Itoa(web)
	lines := []string{
		"cluster.name: bkp-test", "node.name: one", "network.host: 127.0.0.1", "discovery.type: single-node",
		"http.port: " + strconv.Itoa(web), "transport.port: " + strconv.Itoa(inner),
		"path.data: " + s.folder("data"), "path.logs: " + s.folder("logs"), fmt.Sprintf("path.repo: [%q]", s.Snapshots),
	}
	if secure {
		s.User, s.Password = "elastic", "the password of the test"
		lines = append(lines, "xpack.security.enabled: true")
	}
	if err := os.WriteFile(s.folder("config", s.product.word+".yml"), []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		return err
	}
	if err := s.options(); err != nil {
		return err
	}
	if out, err := exec.CommandContext(t.Context(), "chown", "-R", fmt.Sprintf("%d:%d", nobody, nobody), s.dir).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if !secure {
		return nil
	}
	if err := s.tool("", "elasticsearch-keystore", "create"); err != nil {
		return err
	}
	return s.tool(s.Password, "elasticsearch-keystore", "add", "-x", "bootstrap.password")
}

// options are those of Java, without a log in the installation.
func (s *Server) options() error {
	file := s.folder("config", "jvm.options")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var kept []string
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, "gc.log") {
			kept = append(kept, line)
		}
	}
	out := strings.NewReplacer("=data\n", "="+s.folder("data")+"\n", "=logs/hs", "="+s.folder("logs")+"/hs").Replace(strings.Join(kept, ""))
	return os.WriteFile(file, []byte(out), 0o644)
}

// command is a program of the server, run as its user.
func (s *Server) command(program string, args ...string) *exec.Cmd {
	variable := strings.ToUpper(s.product.word)
	short := variable
	if variable == "ELASTICSEARCH" {
		short = "ES"
	}
	cmd := exec.CommandContext(context.Background(), s.folder("server", "bin", program), args...) // stop ends it
	cmd.Dir = s.dir
	cmd.Env = []string{
		"PATH=/usr/bin:/bin", "HOME=" + s.dir, short + "_PATH_CONF=" + s.folder("config"), short + "_TMPDIR=" + s.folder("tmp"), short + "_JAVA_HOME=" + s.java,
		short + "_JAVA_OPTS=-Xms256m -Xmx256m -XX:TieredStopAtLevel=1",
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	return cmd
}

// tool runs a program of the server to its end.
func (s *Server) tool(input, program string, args ...string) error {
	cmd := s.command(program, args...)
	cmd.Stdin = strings.NewReader(input + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, out)
	}
	return nil
}

// AddUser makes a user of Elasticsearch with one role. roles is the text of roles.yml,
// which has it.
func (s *Server) AddUser(t testing.TB, name, password, role, roles string) {
	t.Helper()
	if err := os.WriteFile(s.folder("config", "roles.yml"), []byte(roles), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.tool("", "elasticsearch-users", "useradd", name, "-p", password, "-r", role); err != nil {
		t.Fatal(err)
	}
}

// Restart starts the server anew, and waits until it answers.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.stop(syscall.SIGTERM)
	cmd := s.command(s.product.word)
	log, err := os.OpenFile(s.folder("logs", "out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = log.Close()
	s.process, s.ended = cmd, make(chan struct{})
	go func(ended chan struct{}) { _ = cmd.Wait(); close(ended) }(s.ended)
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	if err := s.ready(ctx); err != nil {
		said, _ := os.ReadFile(s.folder("logs", "out"))
		t.Fatalf("%s does not start: %v\n%s", s.product.Name, err, said[max(0, len(said)-4000):])
	}
}

// Kill ends the server without a chance to write anything.
func (s *Server) Kill() { s.stop(syscall.SIGKILL) }

func (s *Server) stop(signal syscall.Signal) {
	if s.process == nil {
		return
	}
	group := -s.process.Process.Pid
	_ = syscall.Kill(group, signal)
	select {
	case <-s.ended:
	case <-time.After(stopTimeout):
		_ = syscall.Kill(group, syscall.SIGKILL)
		<-s.ended
	}
	s.process = nil
}

func (s *Server) ready(ctx context.Context) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ended:
			return errors.New("it ended")
		case <-tick.C:
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/_cluster/health?wait_for_status=yellow&timeout=5s", nil)
		if err != nil {
			return err
		}
		req.SetBasicAuth(s.User, s.Password)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			continue // not yet
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return nil
		}
	}
}

var javaVersion = regexp.MustCompile(`JAVA_VERSION="(?:1\.)?(\d+)`)

// javaHome is the oldest Java of this machine that is new enough.
func javaHome(oldest int) (string, error) {
	all, err := filepath.Glob("/usr/lib/jvm/*/release")
	if err != nil {
		return "", err
	}
	best, home := 0, ""
	for _, file := range all {
		text, err := os.ReadFile(file)
		m := javaVersion.FindSubmatch(text)
		if err != nil || m == nil {
			continue
		}
		if v, _ := strconv.Atoi(string(m[1])); v >= oldest && (best == 0 || v < best) {
			best, home = v, filepath.Dir(file)
		}
	}
	if home == "" {
		return "", fmt.Errorf("no Java %d or newer in /usr/lib/jvm", oldest)
	}
	return home, nil
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

package host

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"bkp/internal/debuglog"
	"bkp/internal/problem"
	"bkp/internal/secret"
)

// killDelay is how long an interrupted tool may take to leave by itself, unless
// its Command says otherwise.
const killDelay = 5 * time.Second

// Host runs commands and describes file systems. Its zero value is this
// machine.
type Host struct{}

// Command is a tool to run. Secrets never stand in Args.
type Command struct {
	// Name of the tool, looked up on PATH.
	Name string
	Args []string
	// Dir is the folder it starts in; "" is the current one.
	Dir string
	// Env is added to the little that every tool gets: PATH, HOME, USER,
	// TMPDIR, TZ and LC_ALL=C.
	Env   []string
	Stdin io.Reader
	// Input is read by the tool itself, in place of Stdin: nothing waits for who
	// writes into it once the tool has ended. It stays open.
	Input *os.File
	// Unread is set if it is no failure that the tool leaves some of Stdin unread.
	Unread bool
	// Stdout takes the output as it is; nil drops it.
	Stdout io.Writer
	// Stderr takes a redacted copy of the error output; may be nil.
	Stderr io.Writer
	// Secrets are removed from everything that is reported.
	Secrets []secret.String
	// Private is a file for the tool alone, which it reads by its Path; nil for
	// none. It stays open.
	Private *Private
	// OK lists exit codes besides 0 that are no failure.
	OK []int
	// Still is how long the tool, with everything it started, may neither
	// compute, read nor write before it is ended with a StillError; 0 is for
	// ever. Linux only.
	Still time.Duration
	// Grace is how long the tool may take to leave by itself when the context ends
	// before it is killed; 0 stands for five seconds.
	Grace time.Duration
	// Whole is set for a tool that others wrote: when the context ends, processes
	// that left its process group are killed, too. They are recognised by a variable
	// that they inherit, so only Linux finds them, and not one that has thrown its
	// environment away.
	Whole bool
}

// Private is a file with a secret for a tool. Make one with PrivateFile.
type Private struct {
	// Path is where the tool finds it.
	Path string

	file *os.File
}

// ExitError is a tool that ran and failed.
type ExitError struct {
	Tool   string
	Code   int // -1: ended by a signal
	Signal syscall.Signal
	Stderr string
}

// Error gives the tool, its exit code and the last words it said, and a
// long output shows only the beginning and the end.
func (e *ExitError) Error() string {
	text := fmt.Sprintf("%s ended with exit code %d", e.Tool, e.Code)
	if e.Code < 0 {
		text = e.Tool + " was ended by a signal"
	}
	if e.Stderr != "" {
		text += ": " + shorten(e.Stderr)
	}
	return text
}

// What a message shows of a tool's output, in bytes. The reason mostly comes
// last; some tools repeat all of the statement that failed.
const (
	shownBeginning = 300
	shownEnd       = 600
)

// shorten cuts out the middle of a long text.
func shorten(text string) string {
	if len(text) <= shownBeginning+shownEnd {
		return text
	}
	cut := len(text) - shownBeginning - shownEnd
	return strings.ToValidUTF8(text[:shownBeginning], "") + fmt.Sprintf(" … (%d bytes left out) … ", cut) +
		strings.ToValidUTF8(text[len(text)-shownEnd:], "")
}

// Run runs the command to its end and returns its exit code, which is 0 or one
// of c.OK when the error is nil. When the context ends, the tool is
// interrupted, then killed with everything it started.
func (h *Host) Run(ctx context.Context, c Command) (code int, err error) {
	begun := time.Now()
	defer func() {
		debuglog.Tool(ctx, append([]string{c.Name}, c.Args...), code, err, begun, c.Secrets...)
	}()
	return h.run(ctx, c)
}

func (h *Host) run(ctx context.Context, c Command) (int, error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	cmd := exec.CommandContext(ctx, c.Name, c.Args...)
	cmd.Dir, cmd.Stdout = c.Dir, c.Stdout
	said := &input{Reader: c.Stdin, unread: c.Unread}
	if c.Stdin != nil {
		cmd.Stdin = said
	}
	if c.Input != nil {
		cmd.Stdin = c.Input
	}
	cmd.Env = append(baseEnv(), c.Env...)
	if c.Private != nil {
		cmd.ExtraFiles = c.Private.inherited()
	}
	words := &tail{secrets: c.Secrets, copyTo: c.Stderr}
	cmd.Stderr = words
	cmd.WaitDelay = cmp.Or(c.Grace, killDelay)
	mark := ""
	if c.Whole {
		mark = "BKP_CALL=" + rand.Text()
		cmd.Env = append(cmd.Env, mark)
	}
	ownGroup(cmd)

	// The parent-death signal is bound to the thread that starts the child, so
	// that thread must not end before the child does.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	if err == nil {
		stop := watchStill(ctx, c, cmd.Process.Pid, end)
		err = cmd.Wait()
		stop()
		killGroup(cmd)
	}
	if ctx.Err() != nil {
		if c.Whole {
			EndMarked(mark)
		}
		return -1, fmt.Errorf("%s: %w", c.Name, context.Cause(ctx))
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if slices.Contains(c.OK, exit.ExitCode()) {
			return exit.ExitCode(), said.problem(c.Name)
		}
		return exit.ExitCode(), &ExitError{Tool: c.Name, Code: exit.ExitCode(), Signal: signalOf(exit), Stderr: words.String()}
	}
	if p := notFound(c.Name, err); p != nil {
		return -1, p
	}
	if err != nil {
		return -1, fmt.Errorf("%s: %w", c.Name, err)
	}
	return 0, said.problem(c.Name)
}

// signalOf is the signal that ended a tool, 0 if none did.
func signalOf(e *exec.ExitError) syscall.Signal {
	if s, ok := e.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		return s.Signal()
	}
	return 0
}

// input notes whether a tool read all of its input. exec passes over a pipe
// that breaks when the tool then succeeds: one that was to copy a list of files,
// and saw the beginning, would count as done.
type input struct {
	io.Reader
	unread bool
	err    error
}

// WriteTo implements io.WriterTo, by which exec writes the pipe.
func (i *input) WriteTo(w io.Writer) (n int64, err error) {
	n, i.err = io.Copy(w, i.Reader)
	return n, i.err
}

func (i *input) problem(tool string) error {
	if i.err == nil || i.unread && errors.Is(i.err, syscall.EPIPE) {
		return nil
	}
	return fmt.Errorf("%s did not read all of its input: %w", tool, i.err)
}

// Output runs the command and returns what it printed.
func (h *Host) Output(ctx context.Context, c Command) (string, error) {
	var out bytes.Buffer
	c.Stdout = &out
	_, err := h.Run(ctx, c)
	return out.String(), err
}

// LookPath finds a tool on PATH. The error is a problem with the package that
// brings the tool as its remedy.
func (h *Host) LookPath(tool string) (string, error) {
	path, err := exec.LookPath(tool)
	if p := notFound(tool, err); p != nil {
		return "", p
	}
	return path, err
}

// notFound is the problem of a tool that is not there, or is no program; nil for any
// other error. Its name may be a path, which is looked at: a folder to run it in that
// is missing looks the same in the error.
func notFound(tool string, err error) error {
	if errors.Is(err, exec.ErrNotFound) && filepath.Base(tool) == tool {
		return problem.Wrapf(exec.ErrNotFound, "tool not found", "install it, or put its folder on PATH", "%s", tool)
	}
	var named *exec.Error // of LookPath
	var started *fs.PathError
	if !errors.As(err, &named) && (!errors.As(err, &started) || started.Path != tool) {
		return nil
	}
	if _, gone := os.Stat(tool); errors.Is(gone, fs.ErrNotExist) {
		return problem.Wrapf(exec.ErrNotFound, "tool not found", "correct its path, or install it there", "%s", tool)
	}
	if errors.Is(err, fs.ErrPermission) {
		return problem.Wrap(err, "tool cannot be run", "let the user that runs bkp execute it; its file system must not be mounted with noexec")
	}
	return nil
}

// baseEnv is what every tool needs. Nothing else is passed on: the
// environment of bkp holds secrets that are not the tool's business.
func baseEnv() []string {
	env := []string{"LC_ALL=C"}
	for _, name := range []string{"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TMP", "TEMP", "TZ", "SYSTEMROOT", "PATHEXT"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// tail keeps the last lines of a tool's error output, redacted.
type tail struct {
	secrets []secret.String
	copyTo  io.Writer
	part    []byte
	lines   []string
}

const tailLines = 8

func (t *tail) Write(p []byte) (int, error) {
	t.part = append(t.part, p...)
	for {
		line, rest, ok := bytes.Cut(t.part, []byte("\n"))
		if !ok {
			break
		}
		t.add(string(line))
		t.part = rest
	}
	// A tool that never ends its line must not fill the memory.
	if len(t.part) > 64<<10 {
		t.add(string(t.part))
		t.part = nil
	}
	return len(p), nil
}

func (t *tail) add(line string) {
	line = secret.Redact(strings.TrimRight(line, "\r"), t.secrets...)
	if t.copyTo != nil {
		_, _ = io.WriteString(t.copyTo, line+"\n")
	}
	if strings.TrimSpace(line) == "" {
		return
	}
	t.lines = append(t.lines, line)
	if len(t.lines) > tailLines {
		t.lines = t.lines[1:]
	}
}

func (t *tail) String() string {
	if len(t.part) > 0 {
		t.add(string(t.part))
		t.part = nil
	}
	return strings.Join(t.lines, "; ")
}

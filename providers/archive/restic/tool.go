package restic

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/internal/secret"
)

const (
	// maxOutput bounds what a command may print that is read as a whole, and maxLine
	// one line of what is read line by line.
	maxOutput = 256 << 20
	maxLine   = 4 << 20
	// lockWait is how long restic waits for a lock of somebody else.
	lockWait = time.Minute
	// grace is how long restic may take to remove its lock when it is interrupted.
	grace = 20 * time.Second
	// endings is for what has to be done after the context ended: to forget what a
	// failed Store left.
	endings = 2 * time.Minute
)

// The exit codes of restic 0.17 that mean something. Any other is a failure too.
const (
	codeIncomplete  = 3
	codeNone        = 10
	codeLocked      = 11
	codePassword    = 12
	codeInterrupted = 130
)

const (
	missingRepository = "restic repository is missing"
	lockedRepository  = "restic repository is locked"
	wrongPassword     = "password of the restic repository is wrong"
	failed            = "restic failed"
	odd               = "restic answered something else"
)

// call is one run of restic.
type call struct {
	args  []string
	dir   string
	stdin io.Reader
	// stdout takes the output, and stderr a redacted copy of the errors; nil drops
	// them.
	stdout, stderr io.Writer
	// reads is set for what changes nothing and takes no lock.
	reads bool
	// uncached is set for what is to come from the repository itself, and not from
	// what this machine remembers of it.
	uncached bool
}

// run runs restic to its end. What a failure means is in the error: see because.
// restic and all that it started are gone when run returns.
func (a *archive) run(ctx context.Context, c call) error {
	password, err := host.PrivateFile(a.cfg.Password.Reveal())
	if err != nil {
		return err
	}
	defer password.Close()
	args := slices.Clone(c.args)
	if c.reads {
		args = append(args, "--no-lock")
	} else {
		args = append(args, "--retry-lock", a.lockWait.String())
	}
	cache := a.cacheDir()
	if cache == "" || c.uncached {
		args = append(args, "--no-cache")
	} else {
		args = append(args, "--cache-dir", cache)
	}
	for _, name := range slices.Sorted(maps.Keys(a.cfg.Options)) {
		args = append(args, "--option", name+"="+a.cfg.Options[name])
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	_, err = a.env.Host.Run(ctx, host.Command{
		Name: a.binary(), Args: args, Dir: c.dir, Env: append(a.variables(), "RESTIC_PASSWORD_FILE="+password.Path), Stdin: c.stdin, Stdout: c.stdout,
		Stderr: io.MultiWriter(both(a.env.Log, c.stderr), &fullWatch{end: end}), Secrets: a.secrets(), Private: password, Grace: grace, Whole: true,
	})
	if err != nil && errors.Is(context.Cause(ctx), errFull) {
		return a.noSpace(errFull)
	}
	return a.because(err)
}

// both writes to those that are not nil.
func both(a, b io.Writer) io.Writer {
	switch {
	case a == nil && b == nil:
		return io.Discard
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return io.MultiWriter(a, b)
}

func (a *archive) binary() string { return cmp.Or(a.cfg.Binary, "restic") }

// cacheDir is where restic's cache lies, "" if it may not be made yet: what only looks
// makes nothing in the state folder.
func (a *archive) cacheDir() string {
	if a.cfg.CacheDir != "" {
		return a.cfg.CacheDir
	}
	if _, err := os.Stat(a.env.WorkDir); err != nil {
		return ""
	}
	return filepath.Join(a.env.WorkDir, "cache")
}

// variables are what restic gets in its environment. The address stands there, for it
// may hold a password.
func (a *archive) variables() []string {
	out := []string{"RESTIC_REPOSITORY=" + a.cfg.Repository, "RESTIC_PROGRESS_FPS=1"}
	for _, name := range slices.Sorted(maps.Keys(a.cfg.Environment)) {
		out = append(out, name+"="+a.cfg.Environment[name])
	}
	for _, s := range a.cfg.Secrets {
		out = append(out, s.Name+"="+s.Value.Reveal())
	}
	return out
}

// secrets are all values that no message may show.
func (a *archive) secrets() []secret.String {
	out := []secret.String{a.cfg.Password}
	for _, s := range a.cfg.Secrets {
		out = append(out, s.Value)
	}
	if p := passwordIn(a.cfg.Repository); p != "" {
		out = append(out, secret.New(p), secret.New(url.QueryEscape(p)), secret.New(url.PathEscape(p)))
	}
	return out
}

// passwordIn is the password in the address of a repository, "" if it has none.
func passwordIn(repository string) string {
	_, address, _ := strings.Cut(repository, ":")
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	password, _ := u.User.Password()
	return password
}

// shown is the address of the repository without its password.
func (a *archive) shown() string { return secret.Redact(a.cfg.Repository, a.secrets()...) }

// codeOf is restic's exit code; -1 if the error is no such one.
func codeOf(err error) int {
	var exit *host.ExitError
	if errors.As(err, &exit) {
		return exit.Code
	}
	return -1
}

// because says what to do about a failure.
func (a *archive) because(err error) error {
	var exit *host.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	last := *exit
	last.Stderr = message(exit.Stderr)
	err = &last
	at := a.shown()
	switch exit.Code {
	case codeNone:
		return problem.Wrapf(err, missingRepository, "check the address and that its disk is mounted; to make a new repository:\n\n    restic init\n\nor set init = true", "%s", at)
	case codeLocked:
		return problem.Wrapf(err, lockedRepository, "wait until the other restic has ended; if it is gone, remove its lock:\n\n    restic unlock\n", "%s", at)
	case codePassword:
		return problem.Wrapf(err, wrongPassword, "give the password that the repository was made with, or one that was added with restic key add", "%s", at)
	case codeInterrupted:
		return fmt.Errorf("restic was interrupted: %w", err)
	}
	if host.IsFull(err) {
		return a.noSpace(err)
	}
	return problem.Wrapf(err, failed, "see what it says; the log of the run has all of it", "%s", at)
}

func (a *archive) noSpace(err error) error {
	return problem.Wrapf(err, "repository has no space left", "free some space, or remove backups and run bkp prune", "%s", a.shown())
}

// message is the text of the last error that restic printed, which may be in JSON.
func message(stderr string) string {
	texts := strings.Split(stderr, "; ")
	for i, text := range texts {
		var said struct {
			Message string `json:"message"`
			Error   struct {
				Message string `json:"message"`
			} `json:"error"`
		}
		if json.Unmarshal([]byte(text), &said) == nil {
			texts[i] = cmp.Or(said.Message, said.Error.Message, text)
		}
	}
	return strings.Join(texts, "; ")
}

// output runs restic and decodes what it prints, one JSON value.
func (a *archive) output(ctx context.Context, c call, value any) error {
	out := &bounded{most: maxOutput}
	c.stdout = out
	if err := a.run(ctx, c); err != nil {
		return err
	}
	if err := json.Unmarshal(out.Bytes(), value); err != nil {
		return a.misunderstood(c, err)
	}
	return nil
}

func (a *archive) misunderstood(c call, err error) error {
	return problem.Wrapf(err, odd, "this version of restic may be too new for bkp; see which versions are known in docs/guides/restic.md", "restic %s", c.args[0])
}

// bounded is a buffer that takes no more than most.
type bounded struct {
	bytes.Buffer

	most int
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.most {
		return 0, fmt.Errorf("restic printed more than %d bytes", b.most)
	}
	return b.Buffer.Write(p)
}

// lines passes what is written to it on, line by line.
type lines struct {
	part []byte
	each func(line []byte) error
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.part = append(l.part, p...)
	for {
		line, rest, ok := bytes.Cut(l.part, []byte("\n"))
		if !ok {
			break
		}
		if len(bytes.TrimSpace(line)) > 0 {
			if err := l.each(line); err != nil {
				return 0, err
			}
		}
		l.part = rest
	}
	if len(l.part) > maxLine {
		return 0, fmt.Errorf("restic printed a line of more than %d bytes", maxLine)
	}
	return len(p), nil
}

// version is a release of restic.
type version struct{ major, minor, patch int }

// oldest is the first release that reports by exit codes what is wrong, and whose
// prune goes on where it was interrupted.
var oldest = version{0, 17, 0}

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v.major, v.minor, v.patch) }

func (v version) before(o version) bool {
	return slices.Compare([]int{v.major, v.minor, v.patch}, []int{o.major, o.minor, o.patch}) < 0
}

// version asks restic for its version. Old ones do not know --json.
func (a *archive) version(ctx context.Context) (version, error) {
	text, err := a.env.Host.Output(ctx, host.Command{Name: a.binary(), Args: []string{"version"}})
	if err != nil {
		return version{}, err
	}
	name, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	number, _, _ := strings.Cut(rest, " ")
	number, _, _ = strings.Cut(number, "-") // such as 0.18.1-dev
	parts := strings.Split(number, ".")
	var v version
	var errs []error
	for i, to := range []*int{&v.major, &v.minor, &v.patch} {
		if i >= len(parts) {
			errs = append(errs, errors.New("no such number"))
			continue
		}
		n, err := strconv.Atoi(parts[i])
		*to = n
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil || name != "restic" {
		return v, problem.New(odd, fmt.Sprintf("%s version printed %q", a.binary(), shortened(text)), "name restic's program in binary")
	}
	return v, nil
}

func shortened(text string) string {
	const shown = 200
	return strings.ToValidUTF8(text[:min(len(text), shown)], "")
}

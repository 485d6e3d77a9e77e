package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/internal/secret"
	"bkp/providers"
)

const (
	// mostOutput is how many bytes an answer may have: room for a list of some
	// thousand backups.
	mostOutput = 1 << 20
	// shownOutput is how many bytes of it a message shows.
	shownOutput = 300
)

// grace is how long an interrupted command may take to leave by itself. Users wait
// during a capture.
var grace = map[Verb]time.Duration{Capture: time.Second, Warm: time.Second}

// Exit codes that mean something; any other than 0 is a failure.
const (
	exitGone     = 66 // what it was asked for is not there (any more)
	exitOccupied = 73 // the target is not empty
	exitLater    = 75 // not now
)

// Summaries of what can go wrong.
const (
	failed      = "command failed"
	tooSlow     = "command took too long"
	unclear     = "answer of a command is not understood"
	tooMuch     = "command printed too much"
	notNow      = "command asks to be run later"
	gone        = "command does not find the backup"
	occupied    = "target is not empty"
	missing     = "command not found"
	notRunnable = "command cannot be run"
)

const protocolRemedy = "it must print one JSON object, or nothing, and all else on standard error; see docs/guides/command.md"

var (
	errDeadline = errors.New("the deadline passed")
	errTooMuch  = errors.New("the answer is too long")
)

// ask runs the command of a verb. Without one nothing happens, and the answer is
// empty. Warnings among its findings are passed on, but for checks, whose findings
// are their answer.
func (p *Part) ask(ctx context.Context, v Verb, q Request) (Answer, error) {
	c := p.Commands.call(v)
	if c == nil {
		return Answer{}, nil
	}
	if !looksOnly(v) {
		if err := os.MkdirAll(p.Env.WorkDir, 0o700); err != nil {
			return Answer{}, problem.Wrap(err, "state folder not writable", "set state_dir to a folder that this user may write to")
		}
	}
	text, err := p.run(ctx, v, c, p.fill(v, q))
	answer, unread := parse(v, text, p.secrets)
	if err != nil {
		return Answer{}, p.problem(v, c, err, answer, text)
	}
	if unread != nil {
		detail := fmt.Sprintf("%s of %s: %s", v, p.Env.Address, secret.Redact(unread.Error(), p.secrets...))
		if text := p.excerpt(text); text != "" {
			detail += "; it printed: " + text
		}
		return Answer{}, problem.New(unclear, detail, protocolRemedy)
	}
	if v == Check || v == CheckRestore {
		return answer, nil
	}
	return answer, p.passOn(v, answer)
}

// looksOnly reports whether a verb changes nothing.
func looksOnly(v Verb) bool { return v == Check || v == List || v == CheckRestore }

// fill completes a request.
func (p *Part) fill(v Verb, q Request) Request {
	q.Protocol, q.Verb, q.Address, q.WorkDir = protocol, v, p.Env.Address, p.Env.WorkDir
	q.Instance = Named{Name: p.Env.Instance.Name, URL: p.Env.Instance.URL}
	q.Home = p.Home
	return q
}

// passOn gives warnings to the operator; an error among the findings is one of
// the command, whatever its exit code.
func (p *Part) passOn(v Verb, a Answer) error {
	for _, f := range a.Findings {
		if f.Severity == problem.Error {
			return f.problem(failed, fmt.Sprintf("%s of %s", v, p.Env.Address))
		}
		p.Env.Warning(f.line())
	}
	return nil
}

// problem is a finding as one of ours.
func (f Finding) problem(summary, of string) *problem.Problem {
	return problem.New(summary, of+": "+f.line(), f.Remedy)
}

func (f Finding) line() string {
	if f.Detail == "" {
		return f.Summary
	}
	return f.Summary + ": " + f.Detail
}

// run runs a command to its end, and returns what it printed.
func (p *Part) run(ctx context.Context, v Verb, c *Call, q Request) ([]byte, error) {
	document, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, errDeadline)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	out := &bounded{full: func() { stop(errTooMuch) }}
	_, err = p.Env.Host.Run(ctx, host.Command{
		Name: c.Command[0], Args: c.Command[1:], Dir: string(filepath.Separator), Env: p.environment(q), Stdin: bytes.NewReader(document), Unread: true,
		Stdout: out, Stderr: p.Env.Log, Secrets: p.secrets, Grace: grace[v], Whole: true,
	})
	return out.text, err
}

// environment is what the command gets besides what every tool does.
func (p *Part) environment(q Request) []string {
	var env []string
	for _, name := range slices.Sorted(maps.Keys(p.Commands.Environment)) {
		env = append(env, name+"="+p.Commands.Environment[name])
	}
	for _, s := range p.Commands.Secrets {
		env = append(env, s.Name+"="+s.Value.Reveal())
	}
	env = append(env, p.marks(q.Backup)...)
	env = append(env, "BKP_VERB="+string(q.Verb), "BKP_INSTANCE="+q.Instance.Name, "BKP_TARGET="+q.Target, "BKP_NOTE="+q.Note)
	if q.Home != nil {
		env = append(env, "BKP_HOME="+q.Home.Path)
	}
	if len(q.Trees) == 1 {
		env = append(env, "BKP_TREE="+q.Trees[0].Path)
	}
	if len(q.Into) > 0 {
		env = append(env, "BKP_INTO="+q.Into[0].Path)
	}
	for _, key := range slices.Sorted(maps.Keys(q.Ref)) {
		env = append(env, "BKP_REF_"+key+"="+q.Ref[key])
	}
	return env
}

// marks are variables by which everything that a command for b started is
// recognised.
func (p *Part) marks(b providers.BackupID) []string {
	return []string{"BKP_ADDRESS=" + p.Env.Address, "BKP_BACKUP=" + string(b), "BKP_WORK_DIR=" + p.Env.WorkDir}
}

// problem says why a command failed.
func (p *Part) problem(v Verb, c *Call, err error, a Answer, text []byte) error {
	of := fmt.Sprintf("%s of %s", v, p.Env.Address)
	var exit *host.ExitError
	switch {
	case errors.Is(err, errDeadline):
		return problem.New(tooSlow, fmt.Sprintf("%s was killed after %s, with all that it started: %s", of, c.Timeout, c.Text()),
			fmt.Sprintf("find out what it waits for, or raise timeout in its block %s", v))
	case errors.Is(err, errTooMuch):
		return problem.New(tooMuch, fmt.Sprintf("%s printed more than %d bytes: %s", of, mostOutput, p.excerpt(text)), protocolRemedy)
	case errors.Is(err, exec.ErrWaitDelay):
		return problem.New(failed, of+" ended and left a process behind that holds its output open: "+c.Text(),
			"let it wait for what it starts, or send the output of that process elsewhere")
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return problem.Wrapf(err, missing, "install it, or correct command; of a script, look at its first line", "%s", of)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENOEXEC):
		return problem.Wrapf(err, notRunnable, "make it executable (chmod +x), begin a script with #!, and run bkp as a user who may run it", "%s", of)
	case !errors.As(err, &exit):
		return fmt.Errorf("%s: %w", of, err)
	}
	for _, f := range a.Findings {
		if f.Severity == problem.Error {
			return f.problem(summaryOf(exit.Code), of)
		}
	}
	return p.exitProblem(of, exit, text)
}

func summaryOf(code int) string {
	switch code {
	case exitGone:
		return gone
	case exitOccupied:
		return occupied
	case exitLater:
		return notNow
	}
	return failed
}

// exitProblem is that of a command which ended with a code.
func (p *Part) exitProblem(of string, exit *host.ExitError, text []byte) error {
	detail := of + ": " + exit.Error()
	if exit.Signal != 0 {
		detail = fmt.Sprintf("%s: %s was ended by the signal %d (%s)", of, exit.Tool, exit.Signal, exit.Signal)
	}
	if exit.Stderr == "" {
		if said := p.excerpt(text); said != "" {
			detail += "; it printed: " + said
		}
	}
	switch exit.Code {
	case exitGone:
		return problem.Wrapf(providers.ErrNotFound, gone, "choose another backup; if this one should be there, look into the storage", "%s", detail)
	case exitOccupied:
		return problem.New(occupied, detail, "empty it, or restore elsewhere")
	case exitLater:
		return problem.Wrap(later{detail}, notNow, "wait until the storage is ready, then run bkp again")
	}
	return problem.New(failed, detail, "read what it says above and in the run's log, and run it by hand")
}

// later is a trouble of the machine, which does not count against a backup.
type later struct{ detail string }

func (l later) Error() string { return l.detail }

// Unwrap makes it one to host.IsTrouble.
func (l later) Unwrap() error { return syscall.EAGAIN }

// excerpt is the beginning of an answer, for a message.
func (p *Part) excerpt(text []byte) string {
	said := strings.Join(strings.Fields(secret.Redact(string(text), p.secrets...)), " ")
	if len(said) > shownOutput {
		said = strings.ToValidUTF8(said[:shownOutput], "") + " …"
	}
	return strings.ToValidUTF8(said, "?")
}

// bounded takes as many bytes as an answer may have. It has no other method: a
// ReadFrom of its buffer would pass Write by.
type bounded struct {
	text []byte
	full func()
}

// Write never fails: the command is ended when it prints too much.
func (b *bounded) Write(text []byte) (int, error) {
	room := mostOutput - len(b.text)
	if len(text) > room {
		b.full()
	}
	b.text = append(b.text, text[:min(room, len(text))]...)
	return len(text), nil
}

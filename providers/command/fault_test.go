//go:build unix

package command_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/internal/secret"
	"bkp/providers"
	"bkp/providers/command"
)

const id = providers.BackupID("prod-20261122T214431Z")

// script writes a shell script and returns its path.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// line is a command that may take ten minutes, so that none is killed by its
// deadline but where a test wants it.
type line []string

func (l line) call() command.Call       { return command.Call{Command: l, Timeout: 10 * time.Minute} }
func (l line) instant() command.Instant { return command.Instant{Call: l.call()} }
func (l line) tidy() command.Tidy       { return command.Tidy{Call: l.call()} }
func (l line) quick() *command.Quick    { return &command.Quick{Call: l.call()} }

// part is a database whose capture is the script, and whose discard does nothing.
func part(t *testing.T, capture string) (*command.Part, *[]string) {
	t.Helper()
	c := command.Commands{Capture: line{script(t, capture)}.instant(), Discard: line{"true"}.tidy()}
	return open(t, c)
}

func open(t *testing.T, c command.Commands) (*command.Part, *[]string) {
	t.Helper()
	warned := &[]string{}
	env := providers.Env{
		Address: "database.command.main", WorkDir: filepath.Join(t.TempDir(), "work"), Host: &host.Host{},
		Instance: providers.Instance{Name: "prod", URL: "https://bitbucket.example.com"},
		Warn:     func(m string) { *warned = append(*warned, m) },
	}
	return command.NewPart(c, env, `database "command"`, nil), warned
}

// refused runs capture and returns its problem.
func refused(t *testing.T, p *command.Part) *problem.Problem {
	t.Helper()
	_, err := p.CaptureInstant(t.Context(), id)
	var out *problem.Problem
	if !errors.As(err, &out) {
		t.Fatalf("got %v", err)
	}
	if out.Remedy == "" {
		t.Errorf("no remedy: %v", out)
	}
	return out
}

func TestAnswersThatAreNotUnderstood(t *testing.T) {
	t.Parallel()
	tree := t.TempDir()
	for name, c := range map[string]struct{ script, summary, says string }{
		"no JSON":                {`echo done`, "answer of a command is not understood", "it printed: done"},
		"invalid JSON":           {`echo '{"tree": '`, "answer of a command is not understood", "unexpected EOF"},
		"an unknown field":       {`echo '{"tree": "/", "tre": 1}'`, "answer of a command is not understood", `unknown field "tre"`},
		"a field of another":     {`echo '{"backups": []}'`, "answer of a command is not understood", `capture has no field "backups"`},
		"two documents":          {`echo '{} {}'`, "answer of a command is not understood", "more after the JSON object"},
		"a number in ref":        {`echo '{"ref": {"id": 7}}'`, "answer of a command is not understood", "cannot unmarshal number"},
		"a relative tree":        {`echo '{"trees": [{"path": "dump"}]}'`, "answer of a command is not understood", "not absolute"},
		"a place outside":        {`echo '{"trees": [{"path": "/", "place": "../x"}]}'`, "answer of a command is not understood", "no place"},
		"places in each other":   {`echo '{"trees": [{"path": "/a", "place": "x"}, {"path": "/b", "place": "x/y"}]}'`, "answer of a command is not understood", "holds the other"},
		"both tree and trees":    {`echo '{"tree": "/", "trees": []}'`, "answer of a command is not understood", "both"},
		"bkp's own key":          {`echo '{"ref": {"backup": "x"}}'`, "answer of a command is not understood", "bkp's own"},
		"nothing":                {`:`, "answer of a command is not understood", "neither a tree nor a ref"},
		"a tree that is missing": {`echo '{"tree": "/nowhere/at/all"}'`, "tree of a command is not there", "/nowhere/at/all"},
		"a tree that is a file":  {`echo "{\"tree\": \"$0\"}"`, "tree of a command is not there", "not a folder"},
		"a ref without a way to remove it": {
			`echo '{"ref": {"snapshot": "7"}}'`, "backup cannot be removed later", "list and delete",
		},
		"too much":               {`while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done`, "command printed too much", "more than 1048576 bytes"},
		"a finding without text": {`echo '{"findings": [{"severity": "error"}]}'`, "answer of a command is not understood", "needs a summary"},
		"an error among its findings": {
			fmt.Sprintf(`echo '{"tree": %q, "findings": [{"severity": "error", "summary": "volume is offline", "detail": "vol7", "remedy": "bring it online"}]}'`, tree),
			"command failed", "volume is offline: vol7",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := part(t, c.script)
			got := refused(t, p)
			if got.Summary != c.summary || !strings.Contains(got.Detail, c.says) {
				t.Errorf("got %v", got)
			}
			if len(got.Detail) > 2000 {
				t.Errorf("the message has %d bytes", len(got.Detail))
			}
		})
	}
}

func TestExitsThatMeanSomething(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script, summary, says string
		is                    error
	}{
		"any code":       {`echo "no route to the filer" >&2; exit 7`, "command failed", "exit code 7: no route to the filer", nil},
		"only on output": {`echo "no route to the filer"; exit 7`, "command failed", "it printed: no route to the filer", nil},
		"with a finding": {`echo '{"findings": [{"severity": "error", "summary": "filer is full", "remedy": "grow it"}]}'; exit 1`, "command failed", "filer is full", nil},
		"gone":           {`exit 66`, "command does not find the backup", "exit code 66", providers.ErrNotFound},
		"occupied":       {`exit 73`, "target is not empty", "exit code 73", nil},
		"later":          {`exit 75`, "command asks to be run later", "exit code 75", syscall.EAGAIN},
		"a signal":       {`kill -SEGV $$`, "command failed", "signal 11", nil},
		"an open output": {`sleep 1000 & exit 0`, "command failed", "holds its output open", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := part(t, c.script)
			got := refused(t, p)
			if got.Summary != c.summary || !strings.Contains(got.Detail, c.says) || c.is != nil && !errors.Is(got, c.is) {
				t.Errorf("got %v", got)
			}
			if later := errors.Is(c.is, syscall.EAGAIN); host.IsTrouble(got) != later {
				t.Errorf("counts as trouble of the machine: %v", !later)
			}
		})
	}
}

func TestCommandsThatCannotBeRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plain, lost := filepath.Join(dir, "plain"), filepath.Join(dir, "lost")
	for path, text := range map[string]string{plain: "#!/bin/sh\n", lost: "#!/nowhere/sh\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(lost, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		command, summary string
		seen             bool // by the plan
	}{
		"missing":        {filepath.Join(dir, "none"), "command not found", true},
		"not on PATH":    {"no-such-command-of-bkp", "command not found", true},
		"not executable": {plain, "command cannot be run", true},
		"a folder":       {dir, "command cannot be run", true},
		"no interpreter": {lost, "command not found", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := open(t, command.Commands{Capture: line{c.command}.instant(), Discard: line{"true"}.tidy()})
			if got := refused(t, p); got.Summary != c.summary {
				t.Errorf("capture: %v", got)
			}
			var r providers.Report
			if err := p.CheckCommands(t.Context(), &r); err != nil || r.Failed() != c.seen {
				t.Errorf("check: %+v, %v", r.Findings, err)
			}
			if c.seen && r.Findings[0].Summary != c.summary {
				t.Errorf("check: %+v", r.Findings)
			}
		})
	}
}

// TestHangingCaptureIsKilledAtItsDeadline with what it started, also what left its
// process group.
func TestHangingCaptureIsKilledAtItsDeadline(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux finds what left the group")
	}
	note := filepath.Join(t.TempDir(), "pids")
	hang := script(t, fmt.Sprintf(`trap '' INT TERM
sleep 1000 & echo $! >%[1]s
setsid sh -c 'echo $$ >>%[1]s; exec sleep 1000' >/dev/null 2>&1 </dev/null
wait`, note))
	c := command.Commands{Capture: line{hang}.instant(), Discard: line{"true"}.tidy()}
	c.Capture.Timeout = 2 * time.Second
	p, _ := open(t, c)
	if got := refused(t, p); got.Summary != "command took too long" || !strings.Contains(got.Detail, "killed after 2s") {
		t.Errorf("got %v", got)
	}
	pids, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(strings.Fields(string(pids))); n != 2 {
		t.Fatalf("%d processes were started", n)
	}
	for _, text := range strings.Fields(string(pids)) {
		pid, _ := strconv.Atoi(text)
		if alive(pid) {
			t.Errorf("process %d is still there", pid)
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// alive reports whether a process runs; one that ended and is not waited for does
// not.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

func TestCancelledCaptureIsNoProblemOfTheCommand(t *testing.T) {
	t.Parallel()
	cause := errors.New("the lock window reached its budget")
	ctx, cancel := context.WithCancelCause(t.Context())
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	p, _ := part(t, "echo >"+fifo+"; sleep 1000")
	go func() {
		_, _ = os.ReadFile(fifo)
		cancel(cause)
	}()
	_, err := p.CaptureInstant(ctx, id)
	var ours *problem.Problem
	if !errors.Is(err, cause) || errors.As(err, &ours) {
		t.Errorf("got %v", err)
	}
}

// TestSecretsReachNothingButTheEnvironment, whatever the command does with them.
func TestSecretsReachNothingButTheEnvironment(t *testing.T) {
	t.Parallel()
	const value, second = "s3cr3t-of-the-filer", "line two of a key"
	tree := t.TempDir()
	c := command.Commands{
		Secrets: []command.Secret{{Name: "FILER_PASSWORD", Value: secret.New(value)}, {Name: "FILER_KEY", Value: secret.New("line one of a key\n" + second + "\n")}},
		Discard: line{"true"}.tidy(),
	}
	for name, text := range map[string]string{
		"in a message":       `echo "login $FILER_PASSWORD failed: $FILER_KEY" >&2; exit 1`,
		"instead of JSON":    `echo "$FILER_PASSWORD"; echo "$FILER_KEY"`,
		"in an unknown name": `echo "{\"$FILER_PASSWORD\": 1}"`,
		"in a finding":       `echo "{\"findings\": [{\"severity\": \"error\", \"summary\": \"$FILER_PASSWORD\", \"remedy\": \"$FILER_PASSWORD\"}]}"`,
		"escaped":            `printf '{"findings": [{"severity": "error", "summary": "\\u0073%s", "remedy": "x"}]}' "${FILER_PASSWORD#s}"`,
		"in a path":          `echo "{\"tree\": \"/$FILER_PASSWORD\"}"`,
	} {
		t.Run(name, func(t *testing.T) {
			c := c
			c.Capture = line{script(t, text)}.instant()
			p, _ := open(t, c)
			var log strings.Builder
			p.Env.Log = &log
			got := refused(t, p)
			for _, shown := range []string{got.Error() + got.Remedy, log.String()} {
				if strings.Contains(shown, value) || strings.Contains(shown, second) {
					t.Errorf("shown: %s", shown)
				}
			}
		})
	}
	c.Capture = line{script(t, fmt.Sprintf(`
grep -q "$FILER_PASSWORD" /dev/stdin && exit 9
printf '{"tree": "%s", "facts": {"a": "%%s"}, "ref": {"b": "%%s"}, "findings": [{"severity": "warning", "summary": "%%s"}]}' "$FILER_PASSWORD" "$FILER_PASSWORD" "$FILER_PASSWORD"`, tree))}.instant()
	p, warned := open(t, c)
	a, err := p.CaptureInstant(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(a)
	if all := string(text) + strings.Join(*warned, ""); strings.Contains(all, value) || len(*warned) != 1 {
		t.Errorf("shown: %s", all)
	}
}

// TestProcessesOfADeadRunEndBeforeDiscard: one of them could make anew what discard
// removes.
func TestProcessesOfADeadRunEndBeforeDiscard(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux finds them")
	}
	note := filepath.Join(t.TempDir(), "pid")
	// What a killed bkp leaves is imitated by a process that left its group.
	p, _ := part(t, fmt.Sprintf(`mkfifo %[1]s.fifo
setsid sh -c 'echo $$ >%[1]s.fifo; exec sleep 1000' >/dev/null 2>&1 </dev/null &
cat %[1]s.fifo >%[1]s
echo "{\"tree\": \"$BKP_WORK_DIR\"}"`, note))
	if _, err := p.CaptureInstant(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	if err := p.DiscardAll(t.Context(), id); err != nil || !alive(pid) {
		t.Errorf("the run itself discards: %v, alive: %v", err, alive(pid))
	}
	again := command.NewPart(p.Commands, p.Env, p.Strategy, nil)
	if err := again.DiscardAll(t.Context(), "prod-20261122T214432Z"); err != nil || !alive(pid) {
		t.Errorf("another backup is discarded: %v, alive: %v", err, alive(pid))
	}
	if err := again.DiscardAll(t.Context(), id); err != nil || alive(pid) {
		t.Errorf("a new process discards: %v, alive: %v", err, alive(pid))
	}
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"bkp/internal/engine/plan"
	"bkp/internal/lab/sandbox"
	"bkp/internal/lab/sandbox/command"
	"bkp/internal/mysqlserver"
	"bkp/internal/pgserver"
)

// TestMain lets scripts run the two commands of this repository as processes
// of their own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"bkp":               main,
		"bitbucket-sandbox": func() { os.Exit(command.Run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

const examples = "../../examples"

// TestEveryExampleIsPlanned keeps the script up to date.
func TestEveryExampleIsPlanned(t *testing.T) {
	var script []byte
	for _, name := range []string{"plan_examples", "plan_examples_embedded", "apply_command_filer", "btrfs/tree", "s3/mesh_kubernetes", "search/example", "sqlserver/example"} {
		b, err := os.ReadFile("../../testdata/script/" + name + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		script = append(script, b...)
	}
	dirs, err := os.ReadDir(examples)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		if d.IsDir() && !strings.Contains(string(script), "example "+d.Name()+"\n") {
			t.Errorf("no script plans the example %s", d.Name())
		}
	}
}

func TestScript(t *testing.T) { testscript.Run(t, scripts("../../testdata/script")) }

// scripts are those of a folder, with the commands that they may use.
func scripts(dir string) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("BKP_SANDBOX_PASSWORD", "sandbox")
			env.Setenv("NO_COLOR", "1")
			return nil
		},
		Condition: condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"sandbox":  cmdSandbox,
			"postgres": cmdPostgres,
			"mysql":    cmdMySQL,
			"control":  cmdControl,
			"await":    cmdAwait,
			"flip":     cmdFlip,
			"refused":  cmdRefused,
			"scratch":  cmdScratch,
			"empty":    cmdEmpty,
			"cutoff":   cmdCutOff,
			"backup":   cmdBackup,
			"example":  cmdExample,
			"killtree": cmdKillTree,
			"forge":    cmdForge,
			"exitcode": cmdExitCode,
			"reserve":  cmdReserve,
			"taken":    cmdTaken,
			"recorded": cmdRecorded,
			"snapshot": cmdSnapshot,
			"same":     cmdSame,
			"readme":   cmdReadme,
			"unit":     cmdUnit,
			"follow":   cmdFollow,
			"filer":    cmdFiler,
			"receiver": cmdReceiver,
			"metric":   cmdMetric,
			"sshd":     cmdSSHD,
			"agents":   cmdAgents,
			"killwhen": cmdKillWhen,
			"entries":  cmdEntries,
			"passed":   cmdPassed,
			"cronjob":  cmdCronJob,
		},
	}
}

// condition offers [root]; with CI=true a missing tool fails where a script
// asks for it, so there is no condition for one.
func condition(cond string) (bool, error) {
	if cond == "root" {
		return os.Geteuid() == 0, nil
	}
	return false, fmt.Errorf("unknown condition %q", cond)
}

// cmdSandbox starts a sandbox with the given flags of `serve`, and sets URL,
// CONTROL and SANDBOX_HOME. It is stopped at the end of the script.
func cmdSandbox(ts *testscript.TestScript, neg bool, args []string) {
	ready, dir := ts.MkAbs("sandbox.json"), ts.MkAbs("sandbox")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() {
		ended <- command.Run(ctx, append([]string{"serve", "--dir", dir, "--ready-file", ready}, args...), io.Discard, io.Discard)
	}()
	ts.Defer(func() { cancel(); <-ended })
	var r struct {
		URL     string `json:"url"`
		Control string `json:"control_url"`
		Home    string `json:"home"`
	}
	until(ts, func() bool {
		select {
		case code := <-ended:
			ended <- code
			ts.Fatalf("the sandbox ended with %d", code)
		default:
		}
		b, err := os.ReadFile(ready)
		return err == nil && json.Unmarshal(b, &r) == nil
	})
	ts.Setenv("URL", r.URL)
	ts.Setenv("CONTROL", r.Control)
	ts.Setenv("SANDBOX_HOME", r.Home)
}

// cmdPostgres starts a PostgreSQL with an empty database "bitbucket" and sets
// PG_URL, PG_COPY_URL (a database "copy"), PG_HOST, PG_PORT, PG_USER and
// PG_PASSWORD. Its files lie below PG_PARENT, if that is set, in PG_DATA.
//
// With arguments it runs them there as statements.
func cmdPostgres(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) > 0 {
		conn, err := pgx.Connect(context.Background(), ts.Getenv("PG_URL"))
		ts.Check(err)
		for _, statement := range args {
			_, err := conn.Exec(context.Background(), statement)
			ts.Check(err)
		}
		ts.Check(conn.Close(context.Background()))
		return
	}
	dir, err := os.MkdirTemp(ts.Getenv("PG_PARENT"), "bkp-script-pg")
	ts.Check(err)
	ts.Defer(func() { _ = os.RemoveAll(dir) })
	ctx := context.Background()
	var settings []string
	if ts.Getenv("PG_PARENT") != "" { // as a server is by itself, so that its files can be copied in a snapshot
		settings = []string{"fsync=on", "synchronous_commit=on", "full_page_writes=on"}
	}
	s, err := pgserver.Start(ctx, dir, settings...)
	if err != nil {
		ts.Fatalf("%v; install it: make deps", err)
	}
	ts.Defer(func() { _ = s.Stop() })
	ts.Check(s.CreateDatabase(ctx, "bitbucket"))
	ts.Setenv("PG_DATA", filepath.Join(s.Dir(), "data"))
	ts.Setenv("PG_URL", s.URL("bitbucket"))
	ts.Setenv("PG_COPY_URL", s.URL("copy"))
	ts.Setenv("PG_HOST", s.Host())
	ts.Setenv("PG_PORT", fmt.Sprint(s.Port()))
	ts.Setenv("PG_USER", s.User())
	ts.Setenv("PG_PASSWORD", s.Password())
}

// cmdMySQL starts a MariaDB with an empty database "bitbucket" and sets
// MYSQL_URL, MYSQL_COPY_URL (a database "copy"), MYSQL_HOST, MYSQL_PORT,
// MYSQL_USER and MYSQL_PASSWORD. Its arguments are statements to run there.
func cmdMySQL(ts *testscript.TestScript, neg bool, args []string) {
	dir, err := os.MkdirTemp("", "bkp-script-mysql")
	ts.Check(err)
	ts.Defer(func() { _ = os.RemoveAll(dir) })
	ctx := context.Background()
	s, err := mysqlserver.Start(ctx, dir)
	if err != nil {
		ts.Fatalf("%v; install it: make deps", err)
	}
	ts.Defer(func() { _ = s.Stop() })
	ts.Check(s.CreateDatabase(ctx, "bitbucket"))
	for _, statement := range args {
		ts.Check(s.Exec(ctx, "bitbucket", statement))
	}
	ts.Setenv("MYSQL_URL", s.URL("bitbucket"))
	ts.Setenv("MYSQL_COPY_URL", s.URL("copy"))
	ts.Setenv("MYSQL_HOST", s.Host())
	ts.Setenv("MYSQL_PORT", fmt.Sprint(s.Port()))
	ts.Setenv("MYSQL_USER", s.User())
	ts.Setenv("MYSQL_PASSWORD", s.Password())
}

// cmdControl calls the sandbox's control interface: control PATCH corners JSON,
// control POST restart, control GET state. The answer is the script's stdout.
func cmdControl(ts *testscript.TestScript, neg bool, args []string) {
	body := strings.Join(args[2:], " ")
	req, err := http.NewRequest(args[0], ts.Getenv("CONTROL")+"/"+args[1], strings.NewReader(body))
	ts.Check(err)
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	b, err := io.ReadAll(resp.Body)
	ts.Check(err)
	ts.Check(resp.Body.Close())
	if (resp.StatusCode >= 300) != neg {
		ts.Fatalf("%s: %s: %s", args[1], resp.Status, b)
	}
	_, err = ts.Stdout().Write(b)
	ts.Check(err)
}

// cmdAwait waits until the sandbox is locked, unlocked, or running a backup
// task.
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	until(ts, func() bool {
		resp, err := http.Get(ts.Getenv("CONTROL") + "/state")
		if err != nil {
			return false
		}
		defer func() { _ = resp.Body.Close() }()
		var r sandbox.Report
		if err := json.NewDecoder(resp.Body).Decode(&r); err != nil {
			return false
		}
		switch args[0] {
		case "locked":
			return r.State.Owner != nil
		case "unlocked":
			return r.State.Idle()
		case "running":
			return r.State.Task != nil && r.State.Task.State == sandbox.Running
		default:
			ts.Fatalf("await locked, unlocked or running")
			return false
		}
	})
}

// cmdFlip flips one bit in the middle of the files that match.
func cmdFlip(ts *testscript.TestScript, neg bool, args []string) {
	files, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(files) == 0 {
		ts.Fatalf("nothing matches %s", args[0])
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		ts.Check(err)
		b[len(b)/2] ^= 1
		ts.Check(os.WriteFile(f, b, 0o600))
	}
}

// cmdRefused sees that the backup ID is found damaged by verify, and that
// restore writes nothing of it.
func cmdRefused(ts *testscript.TestScript, neg bool, args []string) {
	id, target := ts.Getenv("ID"), ts.MkAbs("refused/home")
	for _, command := range [][]string{{"restore", id, "--home", target, "--auto-approve"}, {"verify", id}} {
		err := ts.Exec("bkp", command...)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 {
			ts.Fatalf("bkp %s: %v", command[0], err)
		}
		if left, _ := os.ReadDir(filepath.Dir(target)); len(left) > 0 {
			ts.Fatalf("bkp %s left %v", command[0], left)
		}
	}
}

// cmdScratch sets SCRATCH to a folder that the user of a database server can
// reach, which the script's own is not.
func cmdScratch(ts *testscript.TestScript, neg bool, args []string) {
	dir, err := os.MkdirTemp("", "bkp-script-scratch")
	ts.Check(err)
	ts.Defer(func() { _ = os.RemoveAll(dir) })
	ts.Check(os.Chmod(dir, 0o755))
	ts.Setenv("SCRATCH", dir)
}

// cmdEmpty sees that a folder holds nothing.
func cmdEmpty(ts *testscript.TestScript, neg bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	if (len(entries) > 0) != neg {
		ts.Fatalf("%s holds %v", args[0], entries)
	}
}

// cmdCutOff sends the drill in the background a signal once its database server
// runs, waits until it is gone, and sees that the server is, too.
func cmdCutOff(ts *testscript.TestScript, neg bool, args []string) {
	cmds := ts.BackgroundCmds()
	drill := cmds[len(cmds)-1].Process.Pid
	server := ""
	until(ts, func() bool {
		found, _ := filepath.Glob(filepath.Join(ts.Getenv("SCRATCH"), "*", "server", "data", "postmaster.pid"))
		if len(found) == 0 {
			return false
		}
		b, err := os.ReadFile(found[0])
		server, _, _ = strings.Cut(string(b), "\n")
		// initdb writes such a file, too, for a server of a moment.
		return err == nil && strings.Contains(string(b), "\nready")
	})
	ts.Check(ts.Exec("kill", "-"+args[0], fmt.Sprint(drill)))
	until(ts, func() bool {
		_, err := os.Stat("/proc/" + server)
		return os.IsNotExist(err)
	})
}

// cmdForge rewrites a saved plan as another bkp would have written it: forge
// FILE tool 9.9.9, forge FILE format 2.
func cmdForge(ts *testscript.TestScript, neg bool, args []string) {
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	f, err := plan.Decode(b)
	ts.Check(err)
	switch args[1] {
	case "tool":
		f.Tool = args[2]
	case "format":
		f.Format, err = strconv.Atoi(args[2])
		ts.Check(err)
	default:
		ts.Fatalf("forge a tool or a format")
	}
	ts.Check(plan.Write(ts.MkAbs(args[0]), f))
}

// cmdBackup sets ID to the newest backup's id, from the names in the state
// folder given.
func cmdBackup(ts *testscript.TestScript, neg bool, args []string) {
	files, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "journal", "*.jsonl"))
	ts.Check(err)
	if len(files) == 0 {
		ts.Fatalf("no run in %s", args[0])
	}
	ts.Setenv("ID", strings.TrimSuffix(filepath.Base(files[len(files)-1]), ".jsonl"))
}

// cmdExample copies one of the examples into the script's folder, under its own
// name.
func cmdExample(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(os.CopyFS(ts.MkAbs(args[0]), os.DirFS(filepath.Join(examples, args[0]))))
}

// cmdKillTree kills the newest process in the background with all its children,
// the children first.
func cmdKillTree(ts *testscript.TestScript, neg bool, args []string) {
	cmds := ts.BackgroundCmds()
	pid := cmds[len(cmds)-1].Process.Pid
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	ts.Check(err)
	pids := []string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		ts.Check(err)
		pids = append(pids, strings.Fields(string(b))...)
	}
	if len(pids) == 0 {
		ts.Fatalf("process %d has no child", pid)
	}
	for _, p := range append(pids, fmt.Sprint(pid)) {
		ts.Check(ts.Exec("kill", "-KILL", p))
	}
}

// until asks again and again; a script that waits in vain fails after a time
// that no busy machine needs.
func until(ts *testscript.TestScript, ok func() bool) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(2 * time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-timeout:
			ts.Fatalf("waited in vain")
		}
	}
}

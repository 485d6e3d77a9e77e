package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"bkp/internal/engine/remote"
)

// cmdAgents waits until agents of the script run on other machines, or none does.
func cmdAgents(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || args[0] != "some" && args[0] != "none" {
		ts.Fatalf("agents some, or agents none")
	}
	until(ts, func() bool { return runsAgents(ts.Getenv("WORK")) == (args[0] == "some") })
}

// runsAgents reports whether an agent of the script whose folder is work runs.
func runsAgents(work string) bool { return len(agentsOf(work)) > 0 }

// agentsOf are the processes that are agents of a script: its folder is in a variable,
// or in the name of the program.
func agentsOf(work string) []*os.Process {
	var out []*os.Process
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range processes {
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || !slices.Contains(strings.Split(string(line), "\x00"), remote.Command) {
			continue
		}
		variables, _ := os.ReadFile(filepath.Join(dir, "environ"))
		if !strings.Contains(string(variables), "="+work) && !strings.HasPrefix(string(line), work) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if p, err := os.FindProcess(pid); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// cmdKillWhen waits until something matches, and kills the agents of the script, the
// newest process in the background (bkp), or both: then neither notices that the other
// is gone.
//
//	killwhen PATTERN agent|bkp...
func cmdKillWhen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("killwhen PATTERN agent|bkp...")
	}
	until(ts, func() bool { found, _ := filepath.Glob(ts.MkAbs(args[0])); return len(found) > 0 })
	var agents []*os.Process
	if slices.Contains(args[1:], "agent") {
		agents = agentsOf(ts.Getenv("WORK"))
		if len(agents) == 0 {
			ts.Fatalf("no agent runs any more")
		}
	}
	for _, p := range agents {
		ts.Check(ts.Exec("kill", "-STOP", strconv.Itoa(p.Pid)))
	}
	if slices.Contains(args[1:], "bkp") {
		all := ts.BackgroundCmds()
		ts.Check(all[len(all)-1].Process.Kill())
	}
	for _, p := range agents {
		ts.Check(p.Kill())
	}
}

// cmdEntries expects the names in a folder to be those given, in alphabetical order.
//
//	entries FOLDER NAME...
func cmdEntries(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("entries FOLDER NAME...")
	}
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, args[1:]) {
		ts.Fatalf("%s holds %q", args[0], got)
	}
}

// cmdPassed expects that not more than some bytes passed a connection whose command
// keeps them.
//
//	passed in|out BYTES
func cmdPassed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("passed in|out BYTES")
	}
	most, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	info, err := os.Stat(ts.MkAbs("passed." + args[0]))
	ts.Check(err)
	ts.Logf("%d bytes passed %s", info.Size(), args[0])
	if info.Size() > most {
		ts.Fatalf("%d bytes passed %s", info.Size(), args[0])
	}
}

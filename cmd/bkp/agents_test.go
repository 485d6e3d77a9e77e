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

// runsAgents reports whether a process is an agent with a variable that begins with
// the folder of a script.
func runsAgents(work string) bool {
	processes, _ := filepath.Glob("/proc/[0-9]*")
	return slices.ContainsFunc(processes, func(dir string) bool {
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || !slices.Contains(strings.Split(string(line), "\x00"), remote.Command) {
			return false
		}
		variables, err := os.ReadFile(filepath.Join(dir, "environ"))
		return err == nil && strings.Contains(string(variables), "="+work)
	})
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

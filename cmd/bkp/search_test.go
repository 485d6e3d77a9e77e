package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"bkp/internal/lab/searchserver"
)

// TestScriptsOfSearch captures an index of a stand-in in this process. `search` starts
// it, and sets SEARCH_URL; `index NAME N` writes documents until there are N; `documents
// NAME N` counts them; `noindex` deletes all indices; `snapshots N` counts what is in the
// repository; `pending` waits until one is written, and the first backup is on the list; `ends STATE` gives the newest snapshot its end, and `slow` makes all that
// follow without one, until `quick`.
func TestScriptsOfSearch(t *testing.T) {
	p := scripts("../../testdata/script/search")
	var all sync.Map // by URL: scripts run at the same time
	of := func(ts *testscript.TestScript) *searchserver.StandIn {
		s, _ := all.Load(ts.Getenv("SEARCH_URL"))
		return s.(*searchserver.StandIn)
	}
	const repository = "bitbucket-snapshots"
	number := func(ts *testscript.TestScript, text string) int {
		n, err := strconv.Atoi(text)
		ts.Check(err)
		return n
	}
	p.Cmds["search"] = func(ts *testscript.TestScript, _ bool, _ []string) {
		s := searchserver.NewStandIn(t)
		all.Store(s.URL, s)
		ts.Setenv("SEARCH_URL", s.URL)
	}
	p.Cmds["index"] = func(ts *testscript.TestScript, _ bool, args []string) {
		s := of(ts)
		for n := range number(ts, args[1]) {
			s.Put(args[0], fmt.Sprint(n), "text")
		}
	}
	p.Cmds["documents"] = func(ts *testscript.TestScript, _ bool, args []string) {
		s := of(ts)
		found := 0
		for n := range 10_000 {
			if _, ok := s.State()[fmt.Sprint(args[0], "/", n)]; !ok {
				break
			}
			found++
		}
		if found != number(ts, args[1]) {
			ts.Fatalf("%s has %d documents", args[0], found)
		}
	}
	p.Cmds["noindex"] = func(ts *testscript.TestScript, _ bool, _ []string) { of(ts).Clear() }
	p.Cmds["slow"] = func(ts *testscript.TestScript, _ bool, _ []string) {
		of(ts).Slow(searchserver.Slowness{Running: 1 << 30})
	}
	p.Cmds["quick"] = func(ts *testscript.TestScript, _ bool, _ []string) { of(ts).Slow(searchserver.Slowness{}) }
	p.Cmds["snapshots"] = func(ts *testscript.TestScript, _ bool, args []string) {
		s := of(ts)
		if have := s.Snapshots(repository); len(have) != number(ts, args[0]) {
			ts.Fatalf("the repository has %q", have)
		}
	}
	p.Cmds["ends"] = func(ts *testscript.TestScript, _ bool, args []string) {
		s := of(ts)
		until(ts, func() bool { return s.Running(repository) != "" })
		s.End(repository, s.Running(repository), args[0])
	}
	p.Cmds["pending"] = func(ts *testscript.TestScript, _ bool, _ []string) {
		s := of(ts)
		until(ts, func() bool {
			listed, err := filepath.Glob(ts.MkAbs("state/catalog/*.json"))
			return err == nil && len(listed) > 0 && s.Running(repository) != ""
		})
	}
	testscript.Run(t, p)
}

package main

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"bkp/internal/cli"
	"bkp/internal/lab/sandbox/proxy"
)

// TestMain lets the tests run bkp as a process of its own, and programs that
// break its promises.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"bkp":            func() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
		"leaves-locked":  func() { careless(false) },
		"lets-users-in":  func() { careless(true) },
		"knows-no-codes": func() { os.Exit(7) },
	})
}

// careless locks, and unlocks with the task running or not at all. It says that
// all is well.
func careless(unlocks bool) {
	text, err := os.ReadFile("main.bkp.hcl")
	base := regexp.MustCompile(`http://[^"]*`).FindString(string(text))
	call := func(method, path, token string) string {
		req, failed := http.NewRequest(method, base+path, nil)
		if failed != nil {
			panic(failed)
		}
		req.SetBasicAuth("admin", "admin")
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Atlassian-Maintenance-Token", token)
		resp, failed := http.DefaultClient.Do(req)
		if failed != nil {
			panic(failed)
		}
		body, failed := io.ReadAll(resp.Body)
		err = errors.Join(err, failed, resp.Body.Close())
		return string(body)
	}
	token := regexp.MustCompile(`[0-9a-f]{40}`).FindString(call(http.MethodPost, "/mvc/maintenance/lock", ""))
	if unlocks {
		call(http.MethodPost, "/mvc/admin/backups?external=true", token)
		call(http.MethodDelete, "/mvc/maintenance/lock?token="+url.QueryEscape(token), token)
	}
	if err != nil {
		panic(err)
	}
}

// found are cases in which bkp once broke a promise, each with what it did.
var found = map[string]string{
	"apply lock open html-410 while passed":        "it took a page for a refusal of the lock that it had got",
	"apply unlock ended html-404 once kept":        "it took a page for the word that nothing is locked",
	"apply progress drained login-200 once kept":   "it unlocked with the task running, for a log-in page had completed it",
	"apply * draining html-404 while kept":         "it said that somebody had unlocked",
	"apply-fails unlock ended array-200 once kept": "any 200 was an unlock",
	"apply-fails unlock ended html-409 on kept":    "a page was somebody else's lock",
	"apply-fails * draining html-429 while passed": "it gave up at 429, and was unlocked",
	"killed cancel any empty-404 once kept":        "the guardian let users in with the task running",
	"killed * any object-200 once kept":            "the same, for a cancel that was never passed on",
	"recover unlock any login-200 on kept":         "it forgot a token that it needed yet",
	"recover unlock any html-408 while passed":     "it gave up at 408, and was unlocked",
	"unlock * any foreign-404 on kept":             "it forgot a token that it needed yet",
	"unlock cancel any empty-200 once kept":        "it let users in with the task running",
}

// sample are others of every act; make torture carries out many.
var sample = []string{
	"apply start locked html-503 on passed",
	"apply maintenance draining login-302 while kept",
	"apply unlock ended reset once passed",
	"killed maintenance any html-503 while kept",
	"recover unlock any html-502 while kept",
	"unlock cancel any html-504 once kept",
}

func TestFalseAnswers(t *testing.T) {
	for _, text := range append(slices.Sorted(maps.Keys(found)), sample...) {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			g := grammar{Program: "bkp", Dir: t.TempDir(), Only: text}
			if err := g.run(t.Context(), &out); err != nil || !strings.Contains(out.String(), "not reached in their run      0\n") {
				t.Errorf("%v\n%s", err, out.String())
			}
		})
	}
}

// TestBrokenPromisesAreFound lies to programs that keep none.
func TestBrokenPromisesAreFound(t *testing.T) {
	for program, want := range map[string]string{
		"leaves-locked":  string(unlocked) + ": exit code 0: ; the instance is in state locked by admin",
		"lets-users-in":  string(covered) + ": ",
		"knows-no-codes": string(truthful) + ": which it never has",
	} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			g := grammar{Program: program, Dir: t.TempDir(), Only: "apply lock open html-503 once kept"}
			if program != "knows-no-codes" {
				g.Only = "apply status freed html-503 once kept" // which comes too late
			}
			if err := g.run(t.Context(), &out); !errors.Is(err, errViolated) || !strings.Contains(out.String(), want) {
				t.Errorf("%v\n%s", err, out.String())
			}
		})
	}
}

func TestCasesAreReadAsTheyAreWritten(t *testing.T) {
	distinct := map[string]bool{}
	all := shuffled(1)
	for _, l := range all {
		distinct[l.String()] = true
	}
	if len(distinct) != len(all) || len(all) != len(every()) {
		t.Errorf("%d of %d cases are distinct, of %d", len(distinct), len(all), len(every()))
	}
	for _, text := range []string{all[0].String(), all[len(all)-1].String()} {
		if l, err := parseLie(text); err != nil || l.String() != text {
			t.Errorf("%q is read as %q, %v", text, l, err)
		}
	}
	for _, text := range []string{"", "apply", "apply lock open html-999 once kept", "apply lock open duplicate once kept"} {
		if _, err := parseLie(text); err == nil {
			t.Errorf("%q names a case", text)
		}
	}
}

// TestSampleHasEveryAnswerFirst: no answer comes to a call twice before each
// came once.
func TestSampleHasEveryAnswerFirst(t *testing.T) {
	pairs := map[string]bool{}
	n := len(targets()) * len(proxy.Names())
	for _, l := range shuffled(1)[:n] {
		pairs[string(l.act)+" "+l.call+" "+string(l.stage)+" "+l.answer] = true
	}
	if len(pairs) != n {
		t.Errorf("%d pairs of call and answer in the first %d cases", len(pairs), n)
	}
}

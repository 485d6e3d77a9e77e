package main

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// scenario is what is done, with what, and by which strategies.
type scenario struct {
	database string // embedded, postgresql, mysql, sqlserver
	home     string // mirror, rsync
	archive  string // "" for tar in a folder, s3, restic
	act      act
}

func (s scenario) String() string {
	home := s.home
	if s.archive != inFolder {
		home += "+" + s.archive
	}
	return s.database + "/" + home + "/" + string(s.act)
}

// scenarios are backups with every pair of strategies, and what else bkp does,
// where the strategies matter less, with some.
func scenarios() []scenario {
	var all []scenario
	for _, database := range []string{"embedded", "postgresql"} {
		for _, home := range []string{"mirror", "rsync"} {
			all = append(all, scenario{database, home, inFolder, actAgain}, scenario{database, home, inFolder, actFirst})
		}
	}
	for _, a := range []act{actRecoverLocked, actRecoverStored, actResume, actRestore, actDrill} {
		all = append(all, scenario{"embedded", "rsync", inFolder, a}, scenario{"postgresql", "mirror", inFolder, a})
	}
	for _, a := range []act{actAgain, actRestore, actDrill} {
		all = append(all, scenario{"mysql", "mirror", inFolder, a})
	}
	for _, archive := range []string{inBucket, inRestic} {
		for _, a := range []act{actAgain, actFirst, actRestore} {
			all = append(all, scenario{"embedded", "mirror", archive, a})
		}
	}
	for _, a := range []act{actAgain, actRestore} { // it has no drill
		all = append(all, scenario{"sqlserver", "mirror", inFolder, a})
	}
	return all
}

// matching are the scenarios that one of the patterns names; all without any.
func matching(patterns []string) ([]scenario, error) {
	if len(patterns) == 0 {
		return scenarios(), nil
	}
	var out []scenario
	for _, p := range patterns {
		n := len(out)
		for _, s := range scenarios() {
			if ok, err := path.Match(p, s.String()); err == nil && ok {
				out = append(out, s)
			}
		}
		if len(out) == n {
			return nil, fmt.Errorf("no scenario is named %q; there are:\n%v", p, scenarios())
		}
	}
	return out, nil
}

// class are effects that differ only in how many came before.
type class struct {
	tool, call, target string
}

func (c class) String() string { return c.tool + " " + c.call + " " + c.target }

// seen is a class with how many of it one backup has.
type seen struct {
	class
	count  int
	main   bool // an effect of bkp itself
	socket bool // a reply to it could be lost
}

// kind is one way to disturb an effect.
type kind string

const (
	// A call fails with a given error: "error:" and its name.
	kindError kind = "error:"
	kindHang  kind = "hang"
	kindCrash kind = "crash"
	// kindLost: it is sent, and the connection ends before the answer.
	kindLost kind = "lost-reply"
	// kindKill kills bkp before the effect of any of its processes, kindKillAfter
	// after it, kindKillTool who makes it.
	kindKill      kind = "kill"
	kindKillAfter kind = "kill-after"
	kindKillTool  kind = "kill-tool"
	// kindKillAll kills bkp, its guardian and its tools at once, as a power cut
	// does.
	kindKillAll kind = "kill-all"
	// kindOutage: from here on nothing reaches the instance for a while.
	kindOutage kind = "outage"
	// kindRandom kills bkp at a random moment.
	kindRandom kind = "kill-random"
)

// family is what the report counts it under.
func (k kind) family() string {
	family, _, _ := strings.Cut(string(k), ":")
	return family
}

// failure is one case: what is disturbed, and how.
type failure struct {
	scenario
	class
	nth  int
	kind kind
}

func (f failure) String() string {
	if f.kind == kindRandom {
		return fmt.Sprintf("%s %s %d", f.scenario, f.kind, f.nth)
	}
	return fmt.Sprintf("%s %s %d %s", f.scenario, f.class, f.nth, f.kind)
}

// parseFailure reads what String has written.
func parseFailure(text string) (failure, error) {
	bad := fmt.Errorf("%q names no case: SCENARIO TOOL CALL TARGET NTH KIND", text)
	words := strings.Fields(text)
	if len(words) != 6 && (len(words) != 3 || words[1] != string(kindRandom)) {
		return failure{}, bad
	}
	i := slices.IndexFunc(scenarios(), func(s scenario) bool { return s.String() == words[0] })
	if i < 0 {
		return failure{}, bad
	}
	f := failure{scenario: scenarios()[i], kind: kind(words[len(words)-1])}
	number := words[len(words)-1]
	if len(words) == 6 {
		f.class, number = class{words[1], words[2], words[3]}, words[4]
	} else {
		f.kind = kindRandom
	}
	var err error
	if f.nth, err = strconv.Atoi(number); err != nil {
		return failure{}, bad
	}
	if f.kind.family() == "error" && f.kind.errno() == 0 {
		return failure{}, bad
	}
	return f, nil
}

var errnos = map[string]syscall.Errno{
	"EIO": syscall.EIO, "ENOSPC": syscall.ENOSPC, "EACCES": syscall.EACCES, "EROFS": syscall.EROFS, "EPERM": syscall.EPERM,
	"EMFILE": syscall.EMFILE, "ENOENT": syscall.ENOENT, "EAGAIN": syscall.EAGAIN, "ENOLCK": syscall.ENOLCK, "EDQUOT": syscall.EDQUOT,
	"ECONNRESET": syscall.ECONNRESET, "ECONNREFUSED": syscall.ECONNREFUSED, "EHOSTUNREACH": syscall.EHOSTUNREACH, "EPIPE": syscall.EPIPE,
}

// errno is what a call of kindError fails with.
func (k kind) errno() syscall.Errno {
	_, name, _ := strings.Cut(string(k), ":")
	return errnos[name]
}

// errorsOf are the errors that a call may give in real life.
func errorsOf(s seen) []string {
	if s.socket {
		return []string{"ECONNRESET", "EPIPE"}
	}
	switch s.call {
	case "write", "send", "truncate", "allocate", "sync":
		switch {
		case strings.HasPrefix(s.target, "pipe:"): // breaks with its reader alone, who is killed elsewhere
			return nil
		case s.target == "pipe", s.target == "unix":
			return []string{"EPIPE"}
		}
		return []string{"EIO", "ENOSPC", "EDQUOT"}
	case "open", "mkdir", "mknod", "link", "symlink", "rename":
		return []string{"EIO", "ENOSPC", "EACCES", "EROFS", "EMFILE"}
	case "connect":
		return []string{"ECONNREFUSED", "EHOSTUNREACH"}
	case "exec":
		return []string{"ENOENT", "EACCES", "EAGAIN"}
	case "flock":
		return []string{"ENOLCK", "EIO"}
	case "fanotify_init", "fanotify_mark":
		return []string{"EPERM", "EMFILE"}
	}
	return []string{"EIO", "EPERM", "EROFS"}
}

// kindsOf are the ways to disturb an effect.
func kindsOf(s seen) []kind {
	kinds := []kind{kindHang, kindCrash, kindKill, kindKillAll}
	if s.socket && strings.HasPrefix(s.target, toInstance) {
		kinds = append(kinds, kindOutage)
	}
	if !s.main {
		kinds = append(kinds, kindKillTool)
	}
	if s.socket {
		kinds = append(kinds, kindLost, kindKillAfter)
	}
	for _, name := range errorsOf(s) {
		kinds = append(kinds, kindError+kind(name))
	}
	return kinds
}

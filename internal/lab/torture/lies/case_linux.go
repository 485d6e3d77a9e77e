package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"bkp/internal/lab/sandbox"
	"bkp/internal/lab/sandbox/proxy"
)

// act is what bkp does while the proxy lies.
type act string

const (
	actApply   act = "apply"
	actFail    act = "apply-fails" // the drain never ends
	actKilled  act = "killed"      // the guardian of a bkp that was killed
	actRecover act = "recover"     // after bkp and its guardian were killed
	actUnlock  act = "unlock"      // after the same
)

var acts = []act{actApply, actFail, actKilled, actRecover, actUnlock}

// target is a call at a stage.
type target struct {
	act   act
	call  string // "*": every call
	stage proxy.Stage
}

// freed is no stage of the instance: the calls that come after the unlock.
const freed proxy.Stage = "freed"

// anyStage is whenever the call comes first.
const anyStage proxy.Stage = "any"

// targets are the calls that bkp makes in each act, or could.
func targets() []target {
	var all []target
	add := func(a act, stage proxy.Stage, calls ...string) {
		for _, call := range calls {
			all = append(all, target{a, call, stage})
		}
	}
	add(actApply, proxy.Open, "lock", "lock-state", "status", "application-properties")
	add(actApply, proxy.Locked, "start", "*")
	add(actApply, proxy.Draining, "maintenance", "*")
	add(actApply, proxy.Drained, "maintenance", "progress", "*")
	add(actApply, proxy.Ended, "maintenance", "unlock", "*")
	add(actApply, freed, "lock-state", "status", "application-properties", "*")
	add(actFail, proxy.Draining, "maintenance", "cancel", "progress", "*")
	add(actFail, proxy.Ended, "maintenance", "unlock", "*")
	add(actFail, freed, "status", "application-properties", "*")
	for _, a := range []act{actKilled, actRecover, actUnlock} {
		add(a, anyStage, "lock-state", "cancel", "progress", "maintenance", "unlock", "status", "application-properties", "*")
	}
	return all
}

// life is how long a lie goes on.
type life string

const (
	once  life = "once"
	while life = "while"
	on    life = "on" // until it is healed
)

// whileTime is longer than bkp's grace in the scenes.
const whileTime = 1500 * time.Millisecond

var lives = []life{once, while, on}

// lie is one case.
type lie struct {
	target
	answer string
	life   life
	pass   bool // the call reaches the instance
}

func (l lie) String() string {
	pass := "kept"
	if l.pass {
		pass = "passed"
	}
	return strings.Join([]string{string(l.act), l.call, string(l.stage), l.answer, string(l.life), pass}, " ")
}

// parseLie reads what String has written.
func parseLie(text string) (lie, error) {
	for _, l := range every() {
		if l.String() == strings.Join(strings.Fields(text), " ") {
			return l, nil
		}
	}
	return lie{}, fmt.Errorf("%q names no case: ACT CALL STAGE ANSWER LIFE PASS", text)
}

// rules are the case for the proxy; the first is what it is about.
func (l lie) rules() []proxy.Rule {
	rules := []proxy.Rule{l.rule()}
	if l.call == "progress" && l.act != actApply {
		// bkp completes a backup that failed only if it cannot cancel it.
		rules = append(rules, proxy.Rule{Call: sandbox.CallCancel, Answer: proxy.Named("html-403")})
	}
	return rules
}

func (l lie) rule() proxy.Rule {
	r := proxy.Rule{Call: sandbox.Call(l.call), Pass: l.pass, Answer: proxy.Named(l.answer)}
	if l.call == "*" {
		r.Call = ""
	}
	switch l.stage {
	case anyStage:
	case freed:
		r.At, r.After = proxy.Open, proxy.Ended
	default:
		r.At = l.stage
	}
	switch l.life {
	case once:
		r.To = 1
	case while:
		r.For = sandbox.Duration(whileTime)
	case on:
	}
	return r
}

// mayComeYet reports whether nobody can know if the instance is going to be
// locked: the proxy gave up waiting for the reply to a lock.
func (l lie) mayComeYet() bool {
	return l.call == "lock" && (l.answer == "html-408" || l.answer == "html-504")
}

// variants are the ways in which one answer can come to one target.
func variants(t target, answer string) []lie {
	var all []lie
	for _, pass := range []bool{false, true} {
		if proxy.Named(answer).Duplicate && !pass {
			continue // it is passed on twice whatever the rule says
		}
		for _, l := range lives {
			all = append(all, lie{t, answer, l, pass})
		}
	}
	return all
}

// every is all cases.
func every() []lie {
	var all []lie
	for _, t := range targets() {
		for _, answer := range proxy.Names() {
			all = append(all, variants(t, answer)...)
		}
	}
	return all
}

// shuffled is all cases, one of each answer to each target before a second.
func shuffled(seed uint64) []lie {
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a sample that can be drawn again
	var pairs [][]lie
	for _, t := range targets() {
		for _, answer := range proxy.Names() {
			v := variants(t, answer)
			r.Shuffle(len(v), func(i, j int) { v[i], v[j] = v[j], v[i] })
			pairs = append(pairs, v)
		}
	}
	r.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
	var out []lie
	for round := range 2 * len(lives) {
		for _, v := range pairs {
			if round < len(v) {
				out = append(out, v[round])
			}
		}
	}
	return out
}

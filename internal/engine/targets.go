package engine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bkp/internal/problem"
	"bkp/internal/suggest"
	"bkp/lang"
)

// Instances returns those that targets name, or all.
func (eng *Engine) Instances(targets []string) ([]*lang.Instance, error) {
	if len(eng.Config.Instances) == 0 {
		return nil, problem.New("no instance", eng.Config.Dir+" declares none", `add a block instance "NAME"`)
	}
	if len(targets) == 0 {
		return eng.Config.Instances, nil
	}
	var out []*lang.Instance
	for _, t := range targets {
		found := false
		for _, i := range eng.Config.Instances {
			if t == i.Address || t == i.Name {
				found = true
				if !slices.Contains(out, i) {
					out = append(out, i)
				}
			}
		}
		if !found {
			return nil, eng.noInstance(t)
		}
	}
	return out, nil
}

// noInstance says which one was probably meant.
func (eng *Engine) noInstance(target string) error {
	var known []string
	for _, i := range eng.Config.Instances {
		if strings.HasPrefix(target, "instance.") {
			known = append(known, i.Address)
		} else {
			known = append(known, i.Name)
		}
	}
	return unknown("instance", target, known)
}

// mostKnown is how many names an error lists.
const mostKnown = 12

// unknown is a usage error about a name of a kind of things, with the nearest of
// the known names, or all of them.
func unknown(kind, name string, known []string) error {
	summary := "unknown " + kind
	if n := suggest.Nearest(name, known); n != "" {
		return problem.Usage(problem.New(summary, strconv.Quote(name), "did you mean "+n+"?"))
	}
	list := known[:min(len(known), mostKnown)]
	remedy := "available " + kind + "s: " + strings.Join(list, ", ")
	if len(known) > len(list) {
		remedy += fmt.Sprintf(" and %d more", len(known)-len(list))
	}
	return problem.Usage(problem.New(summary, strconv.Quote(name), remedy))
}

package engine

import (
	"fmt"
	"slices"
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

// noInstance tells which one was probably meant.
func (eng *Engine) noInstance(target string) error {
	var known []string
	for _, i := range eng.Config.Instances {
		if strings.HasPrefix(target, "instance.") {
			known = append(known, i.Address)
		} else {
			known = append(known, i.Name)
		}
	}
	return wrongTarget(fmt.Sprintf("there is no instance %q", target), target, known)
}

// mostKnown is how many names an error lists.
const mostKnown = 12

// wrongTarget is a usage error with the nearest of the known names, or all.
func wrongTarget(what, target string, known []string) error {
	if n := suggest.Nearest(target, known); n != "" {
		return problem.Usage(problem.New("wrong target", what, "did you mean "+n+"?"))
	}
	list := known[:min(len(known), mostKnown)]
	remedy := "there is " + strings.Join(list, ", ")
	if len(known) > len(list) {
		remedy += fmt.Sprintf(" and %d more", len(known)-len(list))
	}
	return problem.Usage(problem.New("wrong target", what, remedy))
}

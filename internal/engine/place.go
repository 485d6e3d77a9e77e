package engine

import (
	"context"
	"fmt"
	"slices"

	"bkp/internal/engine/planner"
	"bkp/internal/engine/remote"
	"bkp/internal/event"
	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/lang"
	"bkp/providers"
)

// takenFolder is a folder that belongs to something that must go on.
type takenFolder struct {
	what string
	// on is the connection to its machine, "" for this one.
	on, path string
}

// destination is a folder that was given for a part of a restore.
type destination struct {
	address, on, path string
}

// misplaced refuses folders given to a restore that lie in or around a live home,
// the state folder or an archive of their machine: the next backup would take it along,
// and retention and clean-up work there. The configured path of the part itself is
// where it belongs. It also refuses a part that would be restored into the folder
// of another.
func (eng *Engine) misplaced(ctx context.Context, o *opener, to []destination, instance string) ([]planner.Finding, error) {
	if len(to) == 0 {
		return nil, nil
	}
	taken, own, err := eng.taken(o, instance)
	if err != nil {
		return nil, err
	}
	var out []planner.Finding
	for len(to) > 0 {
		group := o.sameMachine(to[0].on)
		here := func(d destination) bool { return slices.Contains(group, d.on) }
		there := func(t takenFolder) bool { return slices.Contains(group, t.on) }
		mine := slices.DeleteFunc(slices.Clone(own), func(t takenFolder) bool { return !there(t) })
		all := slices.DeleteFunc(slices.Clone(taken), func(t takenFolder) bool { return !there(t) })
		targets := slices.DeleteFunc(slices.Clone(to), func(d destination) bool { return !here(d) })
		found, err := o.misplacedOn(ctx, to[0].on, targets, all, mine)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
		to = slices.DeleteFunc(slices.Clone(to), here)
	}
	return out, nil
}

// misplacedOn is misplaced for one machine.
func (o *opener) misplacedOn(ctx context.Context, on string, to []destination, taken, own []takenFolder) ([]planner.Finding, error) {
	var folders, others []string
	for _, d := range to {
		folders = append(folders, d.path)
		taken = append(taken, takenFolder{"the target of " + d.address, d.on, d.path})
	}
	for _, t := range slices.Concat(taken, own) {
		others = append(others, t.path)
	}
	lie, err := o.relate(ctx, on, folders, others)
	if err != nil {
		return nil, err
	}
	var out []planner.Finding
	for i, d := range to {
		home := slices.IndexFunc(own, func(t takenFolder) bool { return t.what == d.address })
		atHome := home >= 0 && lie[i][len(taken)+home] == host.Same
		for n, t := range taken {
			how := lie[i][n]
			earlier := n - (len(taken) - len(to)) // of the targets, each is compared with those before it
			if how == host.Apart || atHome && how == host.Same || earlier >= i {
				continue
			}
			if how == host.Same {
				how = host.Within
			}
			out = append(out, planner.Finding{Address: d.address, Problem: *problem.New("target folder not allowed",
				fmt.Sprintf("%s %s %s, which is %s", d.path, how, t.path, t.what), "choose a folder elsewhere with --to, or with --home for the home")})
		}
	}
	return out, nil
}

// relate is host.RelateAll on the machine of a connection.
func (o *opener) relate(ctx context.Context, on string, folders, others []string) ([][]host.Relation, error) {
	if on == "" {
		return host.RelateAll(folders, others), nil
	}
	s, err := o.session(on)
	if err != nil {
		return nil, err
	}
	return s.Relate(ctx, folders, others)
}

// sameMachine are the connections to the machine of one, which is among them.
func (o *opener) sameMachine(on string) []string {
	out := []string{on}
	to, err := o.connection(on)
	if err != nil {
		return out
	}
	for _, c := range o.eng.connections() {
		other, err := o.connection(c.Address)
		if err == nil && c.Address != on && other.Machine() == to.Machine() {
			out = append(out, c.Address)
		}
	}
	return out
}

// connections are the machines that are declared.
func (eng *Engine) connections() []*lang.Component {
	var out []*lang.Component
	for _, c := range eng.Config.Components {
		if c.Definition.Kind.Name() == providers.Connections.Name() {
			out = append(out, c)
		}
	}
	return out
}

// taken lists the folders that are in use, of all instances and machines, and where the
// homes of the given instance belong.
func (eng *Engine) taken(opener *opener, instance string) (places, own []takenFolder, err error) {
	places = []takenFolder{{"the state folder", "", eng.Config.StateDir}}
	for _, c := range eng.connections() {
		if to, err := opener.connection(c.Address); err == nil { // what cannot be opened is no place of a restore
			places = append(places, takenFolder{"the state folder of " + c.Address, c.Address, to.Settings().StateDir})
		}
	}
	for _, i := range eng.Config.Instances {
		o, err := eng.open(i, event.Discard{}, 0)
		if err != nil {
			return nil, nil, err
		}
		defer o.close()
		for _, part := range o.parts {
			live := remote.Elsewhere(part.Strategy).Paths().Live
			if len(live) > 0 && i.Name == instance {
				own = append(own, takenFolder{part.Address, part.On, live[0]})
			}
			for _, path := range live {
				places = append(places, takenFolder{part.Address, part.On, path})
			}
		}
		for _, a := range o.shelves() {
			if folder := a.Archiver.Destination().Folder; folder != "" {
				places = append(places, takenFolder{a.Address, "", folder})
			}
		}
	}
	return places, own, nil
}

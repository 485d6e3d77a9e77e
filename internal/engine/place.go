package engine

import (
	"fmt"
	"maps"
	"slices"

	"bkp/internal/engine/planner"
	"bkp/internal/event"
	"bkp/internal/host"
	"bkp/internal/problem"
)

// takenFolder is a folder that belongs to something that must go on.
type takenFolder struct{ what, path string }

// misplaced refuses folders given to a restore that lie in or around a live home,
// the state folder or an archive: the next backup would take it along, and
// retention and clean-up work there. The configured path of the part itself is
// where it belongs. It also refuses two parts of which one would be restored into
// the folder of the other. to are the folders, by the part's address.
func (eng *Engine) misplaced(to map[string]string, instance string) ([]planner.Finding, error) {
	if len(to) == 0 {
		return nil, nil
	}
	places, own, err := eng.taken(instance)
	if err != nil {
		return nil, err
	}
	var out []planner.Finding
	refuse := func(address, target, how, path, what string) {
		out = append(out, planner.Finding{Address: address, Problem: *problem.New("target folder not allowed",
			fmt.Sprintf("%s %s %s, which is %s", target, how, path, what), "choose a folder elsewhere with --to, or with --home for the home")})
	}
	addresses := slices.Sorted(maps.Keys(to))
	for n, address := range addresses {
		target := host.Resolve(to[address])
		for _, p := range places {
			if target == own[address] && host.Resolve(p.path) == target {
				continue
			}
			if how := relation(target, p.path); how != "" {
				refuse(address, to[address], how, p.path, p.what)
			}
		}
		for _, other := range addresses[:n] {
			if how := relation(target, host.Resolve(to[other])); how != "" {
				refuse(address, to[address], how, to[other], "the target of "+other)
			}
		}
	}
	return out, nil
}

// relation is how a folder lies to another one, "" if they have nothing in common.
func relation(target, path string) string {
	switch {
	case host.Inside(target, path):
		return "is inside"
	case host.Inside(path, target):
		return "contains"
	}
	return ""
}

// taken lists the folders that are in use, of all instances, and where the homes
// of the given one belong, by address.
func (eng *Engine) taken(instance string) (places []takenFolder, own map[string]string, err error) {
	own = map[string]string{}
	places = []takenFolder{{"the state folder", eng.Config.StateDir}}
	for _, i := range eng.Config.Instances {
		o, err := eng.open(i, event.Discard{}, 0)
		if err != nil {
			return nil, nil, err
		}
		defer o.close()
		for _, part := range o.parts {
			paths := part.Strategy.Paths()
			if len(paths.Live) > 0 && i.Name == instance {
				own[part.Address] = host.Resolve(paths.Live[0])
			}
			for _, path := range paths.Live {
				places = append(places, takenFolder{part.Address, path})
			}
		}
		for _, a := range o.shelves() {
			if folder := a.Archiver.Destination().Folder; folder != "" {
				places = append(places, takenFolder{a.Address, folder})
			}
		}
	}
	return places, own, nil
}

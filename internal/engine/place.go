package engine

import (
	"fmt"

	"bkp/internal/engine/planner"
	"bkp/internal/event"
	"bkp/internal/host"
	"bkp/internal/problem"
)

// takenFolder is a folder that belongs to something that must go on.
type takenFolder struct{ what, path string }

// misplaced refuses a --home that lies in or around a live home, the state
// folder or an archive: the next backup would take it along, and retention and
// clean-up work there. The configured path of the instance's own home is where
// it belongs.
func (eng *Engine) misplaced(home, instance string) ([]planner.Finding, error) {
	if home == "" {
		return nil, nil
	}
	inst, _ := eng.Config.Instance(instance)
	places, own, err := eng.taken(instance)
	if err != nil {
		return nil, err
	}
	target := host.Resolve(home)
	var out []planner.Finding
	for _, p := range places {
		if target == own && host.Resolve(p.path) == own {
			continue
		}
		how := ""
		switch {
		case host.Inside(target, p.path):
			how = "is inside"
		case host.Inside(p.path, target):
			how = "contains"
		default:
			continue
		}
		out = append(out, planner.Finding{Address: inst.Home.Address, Problem: *problem.New("target folder not allowed",
			fmt.Sprintf("%s %s %s, which is %s", home, how, p.path, p.what), "choose a folder elsewhere with --home")})
	}
	return out, nil
}

// taken lists the folders that are in use, of all instances, and where the home
// of the given one belongs.
func (eng *Engine) taken(instance string) (places []takenFolder, own string, err error) {
	places = []takenFolder{{"the state folder", eng.Config.StateDir}}
	for _, i := range eng.Config.Instances {
		o, err := eng.open(i, event.Discard{}, 0)
		if err != nil {
			return nil, "", err
		}
		defer o.close()
		for _, part := range o.parts {
			paths := part.Strategy.Paths()
			if paths.Home != "" && i.Name == instance {
				own = host.Resolve(paths.Home)
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

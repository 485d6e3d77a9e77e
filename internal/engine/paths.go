package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"bkp/internal/engine/restore"
	"bkp/internal/problem"
	"bkp/lang"
	"bkp/providers"
)

// components are the addresses of those to restore; none are all. With paths it is one,
// and that has to be given another place.
func (r RestoreRequest) components(inst *lang.Instance) ([]string, error) {
	if len(r.Paths) == 0 {
		return r.Targets, nil
	}
	out := r.Targets
	if len(out) == 0 {
		out = []string{inst.Home.Address}
	}
	switch {
	case r.Database != "":
		return nil, problem.Usagef("--path restores no database: leave --database out")
	case len(out) > 1:
		return nil, problem.Usagef("--path is of one component: give one --target")
	case r.target(inst, out[0]) == "":
		return nil, problem.Usage(problem.New("--path needs another place", "single paths are never restored into a home that Bitbucket uses",
			fmt.Sprintf("name a folder that is absent or empty with %s", placeFlag(inst, out[0]))))
	}
	if r.Home != "" && out[0] != inst.Home.Address {
		return nil, problem.Usagef("--path restores %s alone: leave --home out", out[0])
	}
	for _, other := range slices.Sorted(maps.Keys(r.To)) {
		if other != out[0] {
			return nil, problem.Usagef("--path restores %s alone: leave --to %s out", out[0], other)
		}
	}
	return out, nil
}

// placeFlag is how a component is given another place.
func placeFlag(inst *lang.Instance, address string) string {
	if address == inst.Home.Address {
		return "--home DIR"
	}
	return "--to " + address + "=DIR"
}

// selects notes in a part what is wanted of it.
func (r RestoreRequest) selects(part *restore.Part, from providers.Archiver) error {
	if len(r.Paths) == 0 {
		return nil
	}
	whole := problem.Usagef("%s is restored as a whole: --path is for a home", part.Artifact.Address)
	s, ok := providers.As[providers.Selector](part.Restorer)
	if !ok {
		return whole
	}
	if part.Copy != nil {
		if _, ok := providers.As[providers.PathFetcher](from); !ok {
			return problem.New("single paths cannot be restored", "the archive of the backup brings back whole parts only", "restore the whole home elsewhere, or --from another archive")
		}
	}
	only, err := s.Select(part.Artifact, r.Paths)
	if errors.Is(err, errors.ErrUnsupported) {
		return whole
	}
	part.Artifact.Only = only
	return err
}

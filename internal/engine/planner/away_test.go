package planner_test

import (
	"slices"
	"strings"
	"testing"

	"bkp/internal/engine/planner"
	"bkp/internal/host"
	"bkp/providers"
)

// shelf is an archive that has a destination and nothing else.
type shelf struct {
	archiver

	at providers.Destination
}

func (s shelf) Destination() providers.Destination { return s.at }

// shared is a disk whose file system at /mnt is a network's.
type shared struct{ host.Host }

func (s *shared) Space(path string) (host.Space, error) {
	space, err := s.Host.Space("/")
	if strings.HasPrefix(path, "/mnt/") {
		space.Shared = "nfs"
	}
	return space, err
}

const (
	near     = "instance.prod: no copy away from this machine"
	unlocked = "instance.prod: every copy can be deleted from this machine"
)

func TestCopiesAreHeldAgainstTheUsualRule(t *testing.T) {
	disk := providers.Destination{Name: "/srv/bkp", Folder: "/srv/bkp"}
	for name, c := range map[string]struct {
		archives, copies []providers.Destination
		want             string
	}{
		"a disk":                    {archives: []providers.Destination{disk}, want: near},
		"a filer":                   {archives: []providers.Destination{{Name: "/mnt/bkp", Folder: "/mnt/bkp"}}, want: unlocked},
		"a bucket":                  {archives: []providers.Destination{disk, {Name: "s3://b"}}, want: unlocked},
		"a bucket with object lock": {archives: []providers.Destination{disk, {Name: "s3://b", Protected: true}}},
		"a locked bucket, by copy":  {archives: []providers.Destination{disk}, copies: []providers.Destination{{Name: "s3://b", Protected: true}}},
		"in its place":              {archives: []providers.Destination{{}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(t)
			r.Disk, r.Archives, r.Copies = &shared{}, shelves(c.archives), shelves(c.copies)
			result, err := planner.Plan(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			got := slices.DeleteFunc(summaries(result.Findings), func(s string) bool { return s != near && s != unlocked })
			if strings.Join(got, "") != c.want {
				t.Errorf("got %v, want %q", got, c.want)
			}
		})
	}
}

func shelves(at []providers.Destination) (out []planner.Archive) {
	for i, d := range at {
		out = append(out, planner.Archive{Address: "archive.tar." + string(rune('a'+i)), Archiver: shelf{at: d}, Definition: providers.Definition{Kind: providers.Archives}})
	}
	return out
}

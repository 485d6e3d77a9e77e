package planner_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bkp/internal/engine/planner"
	"bkp/internal/host"
)

func TestLintSeesRiskyCombinations(t *testing.T) {
	home, elsewhere := filepath.FromSlash("/srv/home"), filepath.FromSlash("/backup")
	cases := map[string]struct {
		change func(*planner.Request)
		want   []string
	}{
		"nothing risky": {func(*planner.Request) {}, nil},
		"http":          {func(r *planner.Request) { r.URL = "http://b.example:7990/git" }, []string{"instance.prod: credentials travel in plain text"}},
		"http here":     {func(r *planner.Request) { r.URL = "http://127.0.0.1:7990" }, nil},
		"http on v6":    {func(r *planner.Request) { r.URL = "http://[::1]:7990" }, nil},
		"http by name":  {func(r *planner.Request) { r.URL = "http://localhost" }, nil},
		"no retention":  {func(r *planner.Request) { r.Archives[0].Retention = nil }, []string{"archive.e.f: no retention"}},
		"no retention, nothing stored": {func(r *planner.Request) {
			r.Archives[0].Retention = nil
			r.Archives[0].Definition.Empty = true
		}, nil},
		"nothing at all": {func(r *planner.Request) {
			r.Parts[0].Definition.Empty, r.Parts[1].Definition.Empty = true, true
		}, []string{"instance.prod: nothing to back up"}},
		"archive in the home": {func(r *planner.Request) {
			r.Archives[0].Archiver = archiver{destination: filepath.Join(home, "x")}
		}, []string{"archive.e.f: folder inside the home"}},
		"state is the home": {func(r *planner.Request) { r.StateDir = home }, []string{"bkp: folder inside the home"}},
		"a name that only begins alike": {func(r *planner.Request) {
			r.Archives[0].Archiver = archiver{destination: home + "-archive"}
		}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := request(t)
			r.StateDir = elsewhere
			r.Parts[0].Strategy = strategy{sources: []string{home}}
			c.change(&r)
			if got := summaries(planner.Lint(r)); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// disks answers by the longest prefix of a path.
type disks map[string]host.Space

func (d disks) Space(path string) (host.Space, error) {
	best := ""
	for prefix := range d {
		if strings.HasPrefix(path, prefix) && len(prefix) > len(best) {
			best = prefix
		}
	}
	return d[best], nil
}

func TestPlanShowsWhatTheDisksMean(t *testing.T) {
	alone := host.Space{Filesystem: "8:1", Free: 1 << 40}
	cases := map[string]struct {
		home, archive host.Space
		want          []string
	}{
		"two disks": {alone, host.Space{Filesystem: "8:2"}, []string{near}},
		"one disk":  {alone, alone, []string{"archive.e.f: archive on the disk of the home"}},
		"nfs": {host.Space{Filesystem: "0:44", Shared: "nfs", Export: host.Export{Host: "nfs1", Path: "/export/bitbucket"}}, host.Space{Filesystem: "8:2"},
			[]string{"instance.prod: home on a shared file system", near}},
		"nfs 4": {host.Space{Filesystem: "0:44", Shared: "nfs", Export: host.Export{Host: "nfs1", Path: "/bitbucket", FromRoot: true}}, host.Space{Filesystem: "8:2"},
			[]string{"instance.prod: home on a shared file system", near}},
		"archive on nfs": {alone, host.Space{Filesystem: "0:44", Shared: "nfs"}, []string{unlocked}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			r := request(t)
			r.Parts[0].Strategy = strategy{sources: []string{home}}
			archive := t.TempDir()
			r.Archives[0].Archiver = archiver{destination: archive}
			r.Disk = disks{home: c.home, archive: c.archive, r.StateDir: alone}
			result, err := planner.Plan(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if got := summaries(result.Findings); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if root := strings.Contains(result.Findings[0].Remedy, "fsid=0"); root != c.home.Export.FromRoot {
				t.Errorf("the root of the server: %q", result.Findings[0].Remedy)
			}
			if host := c.home.Export.Host; host != "" && !strings.Contains(result.Findings[0].Remedy, "log in to "+host) {
				t.Errorf("%q does not name %s", result.Findings[0].Remedy, host)
			}
		})
	}
}

// TestPathsAreOfTheirMachine: what two machines have at one path are two folders.
func TestPathsAreOfTheirMachine(t *testing.T) {
	for _, c := range []struct {
		one, two string
		want     []string
	}{
		{"", "", []string{"a Mesh node shares its folder", "folder inside the home"}},
		{"connection.x.a", "connection.x.a", []string{"a Mesh node shares its folder"}},
		{"connection.x.a", "connection.x.b", nil},
	} {
		home := t.TempDir()
		r := request(t)
		r.Parts[0].Strategy = strategy{sources: []string{"/var/home"}}
		r.Archives[0].Archiver = archiver{destination: filepath.Join(home, "archives")}
		for i, on := range []string{c.one, c.two} {
			r.Parts = append(r.Parts, planner.Part{Address: fmt.Sprintf("mesh_node.mirror.%d", i), Node: strconv.Itoa(i), On: on, Strategy: strategy{sources: []string{home}}})
		}
		var got []string
		for _, f := range planner.Lint(r) {
			got = append(got, f.Summary)
		}
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, c.want) {
			t.Errorf("%q and %q: %q", c.one, c.two, got)
		}
	}
}

package tar

import (
	"archive/tar"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
)

// byPlace orders trees as their entries follow each other in the archive.
func byPlace(a, b providers.Tree) int {
	return slices.Compare(strings.Split(a.Place, "/"), strings.Split(b.Place, "/"))
}

// checkPlaces refuses trees that would lie in each other's way: the format has
// one entry a name, in order.
func checkPlaces(a providers.Artifact) error {
	trees := slices.SortedFunc(slices.Values(a.Trees), byPlace)
	for i, t := range trees {
		if t.Host != "" {
			return problem.New("tree on another machine", fmt.Sprintf("%s of %s lies on %s", t.Path, a.Address, t.Host), "use an archive that stores from there")
		}
		if t.Place != "" && !localName(t.Place) {
			return problem.New("place leads elsewhere", fmt.Sprintf("%s of %s has the place %q", t.Path, a.Address, t.Place), "report this as a fault of bkp")
		}
		if i > 0 && (trees[i-1].Place == "" || t.Place == trees[i-1].Place || strings.HasPrefix(t.Place, trees[i-1].Place+"/")) {
			return problem.New("trees lie in each other", fmt.Sprintf("%q and %q of %s", trees[i-1].Place, t.Place, a.Address), "report this as a fault of bkp")
		}
	}
	return nil
}

// folders writes entries for the folders above the trees of an artifact, which
// exist in the archive alone.
type folders struct {
	tw   *tar.Writer
	made time.Time
	last []string // the place that was entered last
}

// enter writes the folders above place that were not written yet, and returns
// how many.
func (f *folders) enter(prefix, place string) (n int64, err error) {
	parts := append([]string{""}, strings.Split(place, "/")...)
	if place == "" {
		parts = parts[:1]
	}
	same := 0
	for same < len(f.last)-1 && same < len(parts)-1 && f.last[same] == parts[same] {
		same++
	}
	for i := same; i < len(parts)-1; i++ {
		h := &tar.Header{
			Typeflag: tar.TypeDir, Name: path.Join(prefix, path.Join(parts[:i+1]...)) + "/",
			Mode: 0o700, ModTime: f.made, Format: tar.FormatPAX,
		}
		if err := f.tw.WriteHeader(h); err != nil {
			return n, err
		}
		n++
	}
	f.last = parts
	return n, nil
}

package tar

import (
	"archive/tar"
	"path"
	"strings"
	"time"
)

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

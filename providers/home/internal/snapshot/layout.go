package snapshot

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home"
)

// layout says how a home lies on its volumes. The manifest keeps it, so that a
// restore finds the home in the snapshots again.
type layout struct {
	// Volumes in the order of their capture.
	Volumes []Volume `json:"volumes"`
	Parts   []part   `json:"parts"`
}

// part is the home or one of its data stores.
type part struct {
	spot
	// Inside is what lies on volumes of its own, by the path from the part; the
	// outer first.
	Inside   []spot          `json:"inside,omitempty"`
	LeaveOut providers.Rules `json:"leave_out,omitempty"`
}

// spot is a folder by its place in the home, and where it lies: on the volume of
// an id, and at the path Rel in it.
type spot struct {
	Place  string `json:"place"`
	Volume string `json:"volume"`
	Rel    string `json:"rel,omitempty"`
}

// volume is the number of a volume by its id.
func (l layout) volume(id string) int {
	return slices.IndexFunc(l.Volumes, func(v Volume) bool { return v.ID == id })
}

func (l layout) names() string {
	var out []string
	for _, v := range l.Volumes {
		out = append(out, v.Name)
	}
	return strings.Join(out, ", ")
}

// facts identify the volumes, by what lies on them.
func (l layout) facts(to map[string]string) {
	for _, p := range l.Parts {
		to[factOn+p.Place] = p.Volume
		for _, in := range p.Inside {
			to[factOn+path.Join(p.Place, in.Place)] = in.Volume
		}
	}
}

// factOn begins the keys of the facts that say on which volume a place lies.
const factOn = "on."

// find looks on which volumes the home lies that was seen last.
func (h *Home) find(ctx context.Context) (layout, error) {
	var l layout
	roots := h.Roots()
	for i := 0; i < len(roots); i++ {
		r := roots[i]
		v, rel, err := h.storage.Find(ctx, r.Path)
		if err != nil {
			return l, err
		}
		if l.volume(v.ID) < 0 {
			l.Volumes = append(l.Volumes, v)
		}
		at := spot{Place: r.Part.Name, Volume: v.ID, Rel: rel}
		if r.Rel == "" {
			l.Parts = append(l.Parts, part{spot: at, LeaveOut: r.Part.Rules})
		} else {
			at.Place = r.Rel
			in := &l.Parts[len(l.Parts)-1].Inside
			*in = append(*in, at)
		}
		more, err := h.nested(ctx, v, r, roots)
		if err != nil {
			return l, err
		}
		roots = slices.Insert(roots, i+1, more...)
	}
	for i := range l.Parts {
		slices.SortFunc(l.Parts[i].Inside, func(a, b spot) int { return strings.Compare(a.Place, b.Place) })
	}
	return l, nil
}

// nested are the roots that the storage nests in r, unless they are left out or
// something is mounted over them.
func (h *Home) nested(ctx context.Context, v Volume, r home.Root, known []home.Root) ([]home.Root, error) {
	dirs, err := h.storage.Nested(ctx, v, r.Path)
	if err != nil {
		return nil, err
	}
	hidden := r.Part.Rules.Hider()
	var out []home.Root
	for _, dir := range dirs {
		rel, err := filepath.Rel(r.Path, dir)
		if err != nil {
			return nil, fmt.Errorf("%s is nested in %s: %w", dir, r.Path, err)
		}
		n := home.Root{Part: r.Part, Rel: path.Join(r.Rel, filepath.ToSlash(rel)), Path: dir}
		covered := slices.ContainsFunc(known, func(k home.Root) bool {
			return k.Part.Name == n.Part.Name && len(k.Rel) > len(r.Rel) && home.Within("/"+n.Rel, "/"+k.Rel)
		})
		if !hidden(n.Rel) && !covered {
			out = append(out, n)
		}
	}
	return out, nil
}

// The keys of an artifact's Ref.
const (
	refBackup = "backup"
	refOwner  = "owner"
	refLayout = "layout"
)

// ref says where the set of a tag is, and what lies in it.
func (l layout) ref(t Tag) (map[string]string, error) {
	text, err := json.Marshal(l)
	return map[string]string{refBackup: string(t.Backup), refOwner: t.Owner, refLayout: string(text)}, err
}

// layoutOf reads what ref wrote.
func layoutOf(a providers.Artifact) (t Tag, l layout, err error) {
	t = Tag{Address: a.Address, Owner: a.Ref[refOwner]}
	if t.Backup, err = providers.ParseBackupID(a.Ref[refBackup]); err == nil {
		err = json.Unmarshal([]byte(a.Ref[refLayout]), &l)
	}
	if err == nil {
		err = l.check()
	}
	if err != nil {
		err = problem.Wrapf(err, "backup does not say what its snapshots hold", "restore another backup", "%s", a.Address)
	}
	return t, l, err
}

// check refuses a layout that leads elsewhere: a manifest may come from somebody
// else.
func (l layout) check() error {
	for _, p := range l.Parts {
		if err := l.checkSpot(p.spot); err != nil {
			return err
		}
		for _, in := range p.Inside {
			if err := l.checkSpot(in); err != nil {
				return err
			}
		}
	}
	if len(l.Parts) == 0 {
		return fmt.Errorf("it has no parts")
	}
	return nil
}

func (l layout) checkSpot(s spot) error {
	if l.volume(s.Volume) < 0 {
		return fmt.Errorf("%s lies on volume %q, which it does not have", s.Place, s.Volume)
	}
	for _, rel := range []string{s.Place, s.Rel} {
		if rel != "" && !filepath.IsLocal(filepath.FromSlash(rel)) {
			return fmt.Errorf("%q leads elsewhere", rel)
		}
	}
	return nil
}

func gone(t Tag, v Volume) *problem.Problem {
	return problem.New("snapshot is gone", fmt.Sprintf("the one of %s that backup %s took is not there", v.Name, t.Backup),
		"find out who removed it, such as a tool that cleans up snapshots; make another backup")
}

package home

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"

	"bkp/internal/filemeta"
	"bkp/internal/host"
	"bkp/internal/problem"
)

// places is where the parts of a home lie at a moment. Two of them that are
// equal say that nobody mounted, unmounted or replaced anything in between; they
// do not describe files.
type places struct {
	// volumes are the file systems by place, such as home/shared/data; see
	// volume. A part is a place, and each mount inside that is backed up.
	volumes map[string]string
	// folders identify the parts, what is mounted inside, and the folders of a
	// home that are usually mounted, all by path.
	folders map[string]filemeta.ID
	// paths are those of the places.
	paths map[string]string
}

// look notes where the parts lie. It costs one stat a folder and reads the list
// of mounts, so it may be called under the lock. Where the list is not known,
// there are no volumes.
func (b *Base) look() (places, error) {
	p := places{volumes: map[string]string{}, folders: map[string]filemeta.ID{}, paths: map[string]string{}}
	// The stats come first: they mount what an automounter has unmounted.
	if b.places != nil {
		for _, at := range b.places.paths {
			_, _ = os.Stat(inFolder(at))
		}
	}
	for _, part := range b.Parts() {
		for _, rel := range b.roots(part.Name) {
			if err := p.note(filepath.Join(part.Source, filepath.FromSlash(rel)), rel == ""); err != nil {
				return p, err
			}
		}
	}
	mounts, err := mountinfo.GetMounts(nil)
	if err != nil {
		return p, nil //nolint:nilerr // this system has no such list
	}
	for _, part := range b.Parts() {
		if err := p.noteMounts(part, mounts); err != nil {
			return p, err
		}
	}
	return p, nil
}

// note identifies a folder, which need not be there unless it is required.
func (p *places) note(dir string, required bool) error {
	// What a link leads to counts: a home may be named by one.
	m, err := filemeta.Stat(inFolder(host.Resolve(dir)))
	if !required && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)) {
		return nil // a check names what cannot be read
	}
	if err != nil {
		return problem.Wrap(err, "home cannot be read", "mount its file system")
	}
	p.folders[dir] = m.ID
	return nil
}

// inFolder names a folder so that the system goes into it: the name alone would
// not mount what an automounter keeps ready.
func inFolder(dir string) string { return dir + string(filepath.Separator) + "." }

// noteMounts identifies the file system of a part and those mounted inside.
func (p *places) noteMounts(part Part, mounts []*mountinfo.Info) error {
	root := host.Resolve(part.Source)
	hidden := part.Rules.Hider()
	holder := -1
	for i, m := range mounts {
		if Within(root, m.Mountpoint) && (holder < 0 || len(m.Mountpoint) >= len(mounts[holder].Mountpoint)) {
			holder = i // of those at one place the last covers the others
		}
		rel, err := filepath.Rel(root, m.Mountpoint)
		if err != nil || rel == "." || !Within(m.Mountpoint, root) || m.FSType == "autofs" || hidden(filepath.ToSlash(rel)) {
			continue
		}
		place := path.Join(part.Name, filepath.ToSlash(rel))
		p.volumes[place], p.paths[place] = volume(m), m.Mountpoint
		if err := p.note(m.Mountpoint, false); err != nil {
			return err
		}
	}
	if holder >= 0 {
		p.volumes[part.Name], p.paths[part.Name] = volume(mounts[holder]), part.Source
	}
	return nil
}

// volume names a file system by what a reboot does not change: its type and its
// UUID, or its source on the network. A disk's name may change, so a disk whose
// UUID is not known is named by its type alone.
func volume(m *mountinfo.Info) string {
	if id := volumeID(m); id != "" {
		return m.FSType + " " + id
	}
	if strings.HasPrefix(m.Source, "/dev/") {
		return m.FSType
	}
	return m.FSType + " " + m.Source
}

// sameVolume reports whether two names may be of one file system. Its UUID may
// be known one day and not the next.
func sameVolume(a, b string) bool {
	kindA, idA, knownA := strings.Cut(a, " ")
	kindB, idB, knownB := strings.Cut(b, " ")
	return kindA == kindB && (!knownA || !knownB || idA == idB)
}

// network are file systems of other machines. Their device numbers change when they
// are mounted again.
var network = []string{"nfs", "nfs4", "cifs", "smb3"}

// sameAs returns what differs between two moments of one run, as an error.
func (p places) sameAs(before places) error {
	if err := p.lost(before.volumes); err != nil {
		return err
	}
	if err := p.added(before.volumes); err != nil {
		return err
	}
	for _, dir := range slices.Sorted(maps.Keys(before.folders)) {
		old, now := before.folders[dir], p.folders[dir]
		if p.onNetwork(dir) {
			old.Dev = now.Dev
		}
		if old != now {
			return moved(dir + " was replaced by another folder")
		}
	}
	return nil
}

func (p places) onNetwork(dir string) bool {
	best := ""
	for place, at := range p.paths {
		if Within(dir, at) && (best == "" || len(at) > len(p.paths[best])) {
			best = place
		}
	}
	kind, _, _ := strings.Cut(p.volumes[best], " ")
	return slices.Contains(network, kind)
}

// lost returns an error that names the first file system that is not at its
// place any more. A side that knows none has nothing to compare.
func (p places) lost(before map[string]string) error {
	if len(p.volumes) == 0 {
		return nil
	}
	for _, place := range slices.Sorted(maps.Keys(before)) {
		now, there := p.volumes[place]
		if !there {
			return moved(fmt.Sprintf("%s is not mounted; it was %s", p.inWords(place), before[place]))
		}
		if !sameVolume(now, before[place]) {
			return moved(fmt.Sprintf("%s is %s; it was %s", p.inWords(place), now, before[place]))
		}
	}
	return nil
}

// added returns an error that names the first file system that was not there.
func (p places) added(before map[string]string) error {
	if len(before) == 0 {
		return nil
	}
	for _, place := range slices.Sorted(maps.Keys(p.volumes)) {
		if _, there := before[place]; !there {
			return moved(fmt.Sprintf("%s is mounted: %s; it was not", p.inWords(place), p.volumes[place]))
		}
	}
	return nil
}

// inWords is the path of a place, even if nothing is mounted there now.
func (p places) inWords(place string) string {
	best := ""
	for other := range p.paths {
		if (place == other || strings.HasPrefix(place, other+"/")) && len(other) > len(best) {
			best = other
		}
	}
	if best == "" {
		return place
	}
	return filepath.Join(p.paths[best], filepath.FromSlash(strings.TrimPrefix(place, best)))
}

func moved(detail string) *problem.Problem {
	return problem.New("file systems of the home changed", detail, "mount all file systems of the home, then run again")
}

// factVolume begins the keys of the facts that name file systems, by place.
const factVolume = "volume."

// facts adds the file systems to facts.
func (p places) facts(to map[string]string) {
	for place, v := range p.volumes {
		to[factVolume+place] = v
	}
}

// volumesOf are the file systems that facts name.
func volumesOf(facts map[string]string) map[string]string {
	out := map[string]string{}
	for key, v := range facts {
		if place, ok := strings.CutPrefix(key, factVolume); ok {
			out[place] = v
		}
	}
	return out
}

// Expect implements providers.Strategy: the file systems must be those of the
// plan.
func (b *Base) Expect(facts map[string]string) { b.expected = volumesOf(facts) }

// Arrive is called at the beginning of Prepare. It returns an error if the home
// is none, or does not lie where the plan saw it.
func (b *Base) Arrive() error {
	if !b.looksLikeHome(b.Config.Path) {
		return b.noHome(b.Config.Path)
	}
	now, err := b.look()
	if err != nil {
		return err
	}
	if err := now.sameAs(places{volumes: b.expected}); err != nil {
		return err
	}
	b.places = &now
	return nil
}

// Settled is called at the end of Prepare, and notes what the pass under the
// lock has to find again.
func (b *Base) Settled(ctx context.Context) error {
	now, err := b.look()
	if err != nil {
		return err
	}
	if err := now.sameAs(*b.places); err != nil {
		return err
	}
	b.places = &now
	return b.count(ctx)
}

// Still is called under the lock, before and after the pass. It returns an
// error if anything was mounted, unmounted or replaced since Prepare, or if the
// home has lost its marks. It takes some stats and the list of mounts.
func (b *Base) Still() error {
	if b.places == nil { // Prepare was left out
		return b.Arrive()
	}
	if !b.looksLikeHome(b.Config.Path) {
		return b.noHome(b.Config.Path)
	}
	now, err := b.look()
	if err != nil {
		return err
	}
	if err := now.sameAs(*b.places); err != nil {
		return err
	}
	return b.repositoriesStay()
}

// repositoriesStay looks for some of the repositories that Prepare saw.
func (b *Base) repositoriesStay() error {
	gone := 0
	for _, dir := range b.sample {
		if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
			gone++
		}
	}
	if gone == 0 || gone*100 <= b.Config.MaxMissing*len(b.sample) {
		return nil
	}
	return problem.New("repositories are gone", fmt.Sprintf("of %d that were there during the live pass, such as %s, %d are not there any more", len(b.sample), b.sample[0], gone),
		"mount the file system of the repositories, or find out what removed them")
}

// Root is a folder of the home at which a file system may begin: a part, or what
// is mounted inside it.
type Root struct {
	Part Part
	// Rel is the path from the part with slashes, "" for the part itself.
	Rel string
	// Path is where it lies.
	Path string
}

// Place is the name of the root among all: home, stores/0, home/shared/data.
func (r Root) Place() string { return path.Join(r.Part.Name, r.Rel) }

// Roots are those that were seen last, by Check or Prepare: each part, followed by
// what is mounted inside it and is backed up.
func (b *Base) Roots() []Root {
	var out []Root
	for _, p := range b.Parts() {
		out = append(out, Root{Part: p, Path: p.Source})
		if b.places == nil {
			continue
		}
		for _, place := range slices.Sorted(maps.Keys(b.places.paths)) {
			if rel, inside := strings.CutPrefix(place, p.Name+"/"); inside {
				out = append(out, Root{Part: p, Rel: rel, Path: b.places.paths[place]})
			}
		}
	}
	return out
}

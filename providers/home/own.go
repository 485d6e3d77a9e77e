package home

import (
	"bkp/providers"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"

	"bkp/internal/host"
)

// ownFolders are what a file system or a filer shows at its root for itself:
// what a check has saved, and its snapshots. They are never content.
var ownFolders = []string{"lost+found", ".snapshot", ".snapshots", ".zfs"}

// The folders that are commonly roots of file systems, and hold no such names
// otherwise. Other roots are those that are mounted.
var (
	homeRoots  = []string{"", "shared", "shared/data", trusted}
	meshRoots  = []string{"", "store", meshTrusted}
	storeRoots = []string{"", "repositories"}
)

// ownRules leave out the own folders of the roots.
func ownRules(roots []string) providers.Rules {
	var r providers.Rules
	for _, root := range roots {
		for _, name := range ownFolders {
			r = append(r, path.Join("/", literal(root), name)+"/")
		}
	}
	return r
}

// literal hides what is special in a rule.
func literal(rel string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(rel)
}

// roots are the folders of a part at which a file system may begin.
func (b *Base) roots(part string) []string {
	roots := storeRoots
	if part == "home" {
		roots = b.Config.layout().roots
	}
	roots = slices.Clone(roots)
	if b.places == nil {
		return roots
	}
	for place := range b.places.volumes {
		if rel, ok := strings.CutPrefix(place, part+"/"); ok && !slices.Contains(roots, rel) {
			roots = append(roots, rel)
		}
	}
	slices.Sort(roots) // the same rules every time
	return roots
}

// own lists the own folders that are there.
func (b *Base) own() []string {
	var out []string
	for _, p := range b.Parts() {
		for _, root := range b.roots(p.Name) {
			for _, name := range ownFolders {
				dir := filepath.Join(p.Source, filepath.FromSlash(root), name)
				if fi, err := os.Lstat(dir); err == nil && fi.IsDir() {
					out = append(out, dir)
				}
			}
		}
	}
	return out
}

// content leaves out of the entries of a folder what is its file system's own,
// if one begins there.
func content(dir string, entries []fs.DirEntry) []fs.DirEntry {
	isOwn := func(e fs.DirEntry) bool { return e.IsDir() && slices.Contains(ownFolders, e.Name()) }
	if !slices.ContainsFunc(entries, isOwn) {
		return entries
	}
	if mounted, err := mountinfo.Mounted(host.Resolve(dir)); err != nil || !mounted {
		return entries
	}
	return slices.DeleteFunc(slices.Clone(entries), isOwn)
}

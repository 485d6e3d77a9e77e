package home

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"bkp/internal/filemeta"
	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home/internal/treesync"
)

// Base is what the home strategies do alike. They embed it.
type Base struct {
	providers.Base

	Config Config
	Env    providers.Env

	// Also are parts besides the home and its data stores: folders of what lies in
	// the home's capture. Set by strategies that capture at one instant.
	Also []Part

	// expected are the file systems that the plan saw, places what was seen last.
	expected map[string]string
	places   *places
	// repositories counts them by part, hidden are the ids of those that rules
	// leave out, and sample is some of the others. entries counts files and folders.
	repositories map[string]int
	hidden       []int
	sample       []string
	entries      int64
}

// Paths implements providers.Strategy.
func (b *Base) Paths() providers.Paths {
	live := append([]string{b.Config.Path}, b.Config.DataStores...)
	for _, p := range b.Also {
		live = append(live, p.Source)
	}
	if b.Config.mesh {
		return providers.Paths{Live: live} // the home of the instance is another
	}
	return providers.Paths{Home: b.Config.Path, Live: live}
}

// CopyDir is the folder of the working copy, which is the artifact's tree.
func (b *Base) CopyDir() string { return filepath.Join(b.Env.WorkDir, "copy") }

// CopyOf is the folder of one part in the working copy.
func (b *Base) CopyOf(p Part) string { return filepath.Join(b.CopyDir(), filepath.FromSlash(p.Name)) }

// MakeCopyDir creates the working copy's folders, and removes the copies of
// data stores that are not declared any more.
func (b *Base) MakeCopyDir() error {
	stores := filepath.Join(b.CopyDir(), "stores")
	dir := b.CopyDir()
	if len(b.Config.DataStores) > 0 {
		dir = stores
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return problem.Wrap(err, "state folder not writable", "set state_dir to a folder that this user may write to")
	}
	there, err := os.ReadDir(stores)
	if err != nil {
		return nil //nolint:nilerr // there are none
	}
	for _, d := range there {
		if n, err := strconv.Atoi(d.Name()); err == nil && n < len(b.Config.DataStores) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(stores, d.Name())); err != nil {
			return err
		}
	}
	if len(b.Config.DataStores) == 0 {
		return os.Remove(stores)
	}
	return nil
}

// Artifact returns what a capture of the working copy at t yields; change may
// be nil.
func (b *Base) Artifact(strategy string, t time.Time, change *providers.Change) providers.Artifact {
	a := providers.Artifact{
		Address: b.Env.Address, Strategy: strategy, PointInTime: t.UTC(),
		Life: providers.Staged, Trees: providers.OneTree(b.CopyDir()), Facts: b.artifactFacts(), Change: change,
	}
	a.Repositories = b.counted()
	return a
}

// counted is how many repositories there are, nil before they are counted.
func (b *Base) counted() *int {
	if b.repositories == nil {
		return nil
	}
	sum := 0
	for _, n := range b.repositories {
		sum += n
	}
	return &sum
}

// artifactFacts record besides where the parts lay what is missing on purpose.
func (b *Base) artifactFacts() map[string]string {
	out := b.facts()
	if excluded := excludedText(slices.Concat(b.Config.ExcludeRepositories, b.hidden)); excluded != "" {
		out[factExcluded] = excluded
	}
	if len(b.Config.Exclude) > 0 {
		out[factPatterns] = strings.Join(b.Config.Exclude, "\n")
	}
	for part, n := range b.repositories {
		out[factRepositories+part] = strconv.Itoa(n)
	}
	return out
}

func (b *Base) facts() map[string]string {
	out := map[string]string{}
	for _, p := range b.Parts() {
		out[p.Fact] = p.Source
	}
	if b.places != nil {
		b.places.facts(out)
	}
	return out
}

// Check looks at the home and its stores. Its report lacks the space that the
// strategy needs and what its verbs do.
func (b *Base) Check(ctx context.Context) (providers.Report, error) {
	r := providers.Report{Facts: map[string]string{}, Does: map[providers.Verb]string{}}
	for _, p := range b.Parts() {
		b.checkFolder(&r, p)
	}
	if r.Failed() {
		r.Facts = b.facts()
		return r, nil
	}
	now, err := b.look()
	if err != nil {
		return r, err
	}
	b.places, b.entries = &now, 0
	r.Facts = b.facts()
	b.checkExclude(&r)
	b.checkSettings(&r)
	var mounts []string
	for _, p := range b.Parts() {
		s, err := treesync.Look(ctx, p.Source, p.Rules.Matcher(), b.workers())
		if err != nil {
			return r, err
		}
		r.Estimate = r.Estimate.Plus(s.Estimate)
		b.entries += s.Files + s.Folders
		mounts = append(mounts, s.Mounts...)
		if s.UnreadableCount > 0 {
			r.Add(unreadable(p, s))
		}
		if Within(host.Resolve(b.Env.WorkDir), host.Resolve(p.Source)) {
			r.Add(problem.New("folder inside the home", fmt.Sprintf("the work folder %s lies inside %s", b.Env.WorkDir, p.Source),
				"set state_dir to a folder outside, preferably on another disk"))
		}
	}
	if len(mounts) > 0 {
		// A mount that is missing at apply would look like files deleted.
		r.Facts[factMounts] = strings.Join(mounts, ", ")
	}
	err = b.count(ctx)
	r.Repositories = b.counted()
	b.checkEmpty(&r)
	return r, err
}

// checkEmpty warns of what a mount that is missing looks like before there is a
// backup to compare with.
func (b *Base) checkEmpty(r *providers.Report) {
	const remedy = "if repositories are expected there, mount their file system"
	elsewhere := b.Env.Instance.HasMeshNodes && !b.Config.mesh
	if n := b.counted(); n != nil && *n == 0 && len(b.hidden) == 0 && !elsewhere {
		detail := fmt.Sprintf("neither %s nor a data store holds any", b.Config.Path)
		if b.Config.mesh {
			detail = b.Config.Path + " holds none"
		}
		r.Add(problem.Warn("no repositories", detail, remedy))
		return
	}
	for _, p := range b.Parts() {
		if entries, err := os.ReadDir(p.Source); err == nil && kind(p.Name) == "data store" && len(content(p.Source, entries)) == 0 {
			r.Add(problem.Warn("data store is empty", p.Source+" holds nothing", remedy))
		}
	}
}

// factMounts names the file systems that are mounted inside the home.
const factMounts = "mounts"

// checkFolder looks whether there is something to walk.
func (b *Base) checkFolder(r *providers.Report, p Part) {
	what := kind(p.Name)
	fi, err := os.Stat(p.Source)
	switch {
	case os.IsNotExist(err):
		r.Add(problem.New(what+" is missing", p.Source+" does not exist", "correct the path, or mount its file system"))
		return
	case err != nil:
		r.Add(problem.Wrap(err, what+" cannot be read", readRemedy))
		return
	case !fi.IsDir():
		r.Add(problem.New(what+" is not a folder", p.Source, "correct the path"))
		return
	}
	if _, err := os.ReadDir(p.Source); err != nil {
		r.Add(problem.Wrap(err, what+" cannot be read", readRemedy))
		return
	}
	if p.Name == "home" && !b.looksLikeHome(p.Source) {
		r.Add(b.noHome(p.Source))
		return
	}
	b.checkLinks(r, p)
}

// checkLinks refuses folders of Bitbucket's state that are symbolic links to
// elsewhere: a link is copied as a link, and a backup without what is behind it
// would pass for whole until the restore.
func (b *Base) checkLinks(r *providers.Report, p Part) {
	folders := []string{"repositories"}
	if p.Name == "home" {
		folders = b.Config.layout().whole
	}
	root := host.Resolve(p.Source)
	for _, rel := range folders {
		path := filepath.Join(p.Source, rel)
		fi, err := os.Lstat(path)
		if err != nil || fi.Mode()&os.ModeSymlink == 0 {
			continue
		}
		to, err := filepath.EvalSymlinks(path)
		if err == nil && Within(to, root) {
			continue
		}
		if err != nil {
			to, _ = os.Readlink(path)
		}
		r.Add(problem.New("folder is outside the home", fmt.Sprintf("%s is a symbolic link to %s, which would not be backed up", path, to),
			"mount that folder there instead of linking to it, such as with mount --bind"))
	}
}

const readRemedy = "run bkp as the user that Bitbucket runs as, or as root"

func unreadable(p Part, s treesync.Survey) *problem.Problem {
	detail := strings.Join(quoted(s.Unreadable), ", ")
	if more := s.UnreadableCount - len(s.Unreadable); more > 0 {
		detail += fmt.Sprintf(" and %s more", humanize.Comma(int64(more)))
	}
	return problem.New("files cannot be read", kind(p.Name)+": "+detail, readRemedy)
}

func quoted(paths []string) []string {
	out := make([]string, len(paths))
	for i, p := range paths {
		out[i] = strconv.Quote(p)
	}
	return out
}

// CopyHas looks what the working copy holds.
func (b *Base) CopyHas(ctx context.Context) (providers.Estimate, error) {
	s, err := treesync.Look(ctx, b.CopyDir(), nil, b.workers())
	if os.IsNotExist(err) {
		err = nil
	}
	return s.Estimate, err
}

// DescribeCopy adds to r what the two passes will do and take, given what the
// working copy has already.
func (b *Base) DescribeCopy(r *providers.Report, has providers.Estimate) {
	r.Space = append(r.Space, providers.SpaceNeed{
		Path: b.CopyDir(), Bytes: max(r.Estimate.Bytes-has.Bytes, 0), For: "working copy of " + b.Env.Address,
	})
	r.Trees = append(r.Trees, b.CopyDir())
	does := "copy " + Describe(r.Estimate)
	if has.Files > 0 {
		does += fmt.Sprintf(" (%s are in the working copy already)", humanize.Bytes(uint64(max(has.Bytes, 0))))
	}
	if mounts := r.Facts[factMounts]; mounts != "" {
		does += ", across the mounts " + mounts
	}
	if without := slices.Concat(b.Config.Exclude, b.own()); len(without) > 0 {
		does += "; without " + strings.Join(without, ", ")
	}
	r.Does[providers.Prepare] = does
	r.Does[providers.Capture] = "copy files changed since the live pass"
	r.Does[providers.Restore] = "restore the home and remove stale git lock files"
}

func (b *Base) workers() int { return max(b.Env.Parallelism, 2) }

// Lost warns of what could not be kept.
func (b *Base) Lost(l filemeta.Loss) {
	if l != 0 {
		b.Env.Warning(l.String() + " could not be kept for every file: bkp is not root, or the file system of the copy has none")
	}
}

// Describe renders an estimate for a plan.
func Describe(e providers.Estimate) string {
	unit := "files"
	if e.Files == 1 {
		unit = "file"
	}
	return fmt.Sprintf("%s %s, %s", humanize.Comma(e.Files), unit, humanize.Bytes(uint64(max(e.Bytes, 0))))
}

// isEmptyOrAbsent judges a target of a restore.
func isEmptyOrAbsent(dir string) error {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		if _, err := os.Lstat(dir); err == nil {
			return problem.New("target is a dangling symbolic link", dir, "remove it, or restore elsewhere with --home")
		}
		return nil
	}
	if err != nil {
		return problem.Wrap(err, "target cannot be read", "choose another folder, or run as a user who may read it")
	}
	if held := content(dir, entries); len(held) > 0 {
		return notEmpty(dir, held[0].Name())
	}
	return nil
}

func notEmpty(dir, name string) error {
	return problem.New("target is not empty", fmt.Sprintf("%s holds %q and perhaps more", dir, name), "move it away, or restore elsewhere with --home")
}

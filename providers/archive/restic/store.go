package restic

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"bkp/internal/filemeta"
	"bkp/internal/problem"
	"bkp/providers"
)

const restoreOther = "do not rely on this backup; verify the others, and find out what damages the storage"

// Store implements providers.Archiver.
func (a *archive) Store(ctx context.Context, m providers.Manifest, r providers.Records) (providers.Stored, error) {
	if _, err := providers.ParseBackupID(string(m.ID)); err != nil {
		return providers.Stored{}, err
	}
	if err := checkTrees(m); err != nil {
		return providers.Stored{}, err
	}
	if err := a.makeRepository(ctx); err != nil {
		return providers.Stored{}, err
	}
	all, err := a.hold(ctx, m.ID)
	if err != nil {
		return providers.Stored{}, err
	}
	stored, err := a.store(ctx, m, r, all)
	if err != nil {
		return providers.Stored{}, err
	}
	a.release(context.WithoutCancel(ctx), m.ID, all)
	return stored, nil
}

// checkTrees refuses trees that restic cannot read from here.
func checkTrees(m providers.Manifest) error {
	for _, art := range m.Artifacts {
		for _, t := range art.Trees {
			if t.Host != "" {
				return problem.New("tree on another machine", fmt.Sprintf("%s of %s lies on %s", t.Path, art.Address, t.Host), "use an archive that stores from there")
			}
			if t.Place != "" && !localName(t.Place) {
				return problem.New("place leads elsewhere", fmt.Sprintf("%s of %s has the place %q", t.Path, art.Address, t.Place), "report this as a fault of bkp")
			}
		}
	}
	return nil
}

// store is Store, while the id is ours and has the snapshots all.
func (a *archive) store(ctx context.Context, m providers.Manifest, r providers.Records, all set) (providers.Stored, error) {
	there, err := a.load(ctx, m.ID, all, true)
	if err == nil {
		err = a.mine(there.Manifest, m)
	}
	if err != nil && !errors.Is(err, providers.ErrNotFound) {
		return providers.Stored{}, err
	}
	if err == nil && len(there.missing(all)) == 0 {
		return there.Manifest.Stored[0], nil
	}
	// Whatever else lies there, no manifest may speak for it.
	if err := a.forget(ctx, m.ID, all.only(tagManifest).ids()); err != nil {
		return providers.Stored{}, err
	}
	if err := a.letBe(a.forget(ctx, m.ID, all.without(tagReserved).without(tagManifest).ids())); err != nil {
		return providers.Stored{}, err
	}
	stored, err := a.storeAll(ctx, m, r)
	if err != nil {
		return stored, errors.Join(err, a.undo(ctx, m.ID))
	}
	return stored, nil
}

// undo forgets what a Store that failed made: a backup that counts as not stored must
// not lie here. The reservation stays until Discard.
func (a *archive) undo(ctx context.Context, b providers.BackupID) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endings)
	defer cancel()
	all, err := a.snapshots(ctx, b, true)
	if err != nil {
		return fmt.Errorf("what was stored of %s is still there: %w", b, err)
	}
	for _, ids := range [][]string{all.only(tagManifest).ids(), all.without(tagManifest).without(tagReserved).ids()} {
		if err := a.letBe(a.forget(ctx, b, ids)); err != nil {
			return err
		}
	}
	return nil
}

// storeAll stores the record of m, its parts and then the manifest.
func (a *archive) storeAll(ctx context.Context, m providers.Manifest, r providers.Records) (providers.Stored, error) {
	stored := providers.Stored{Archive: a.env.Address, Location: a.at(m.ID), Parts: map[string]providers.Part{}}
	d := document{Manifest: inner(m), Trees: map[string][]tree{}}
	for _, art := range m.Artifacts {
		for _, t := range art.Trees {
			meta, err := filemeta.Read(t.Path + string(filepath.Separator) + ".")
			if err != nil {
				return stored, err
			}
			empty, err := isEmpty(t)
			if err != nil {
				return stored, err
			}
			d.Trees[art.Address] = append(d.Trees[art.Address], tree{Place: t.Place, Empty: empty, Root: rootOf(meta)})
		}
	}
	earlier, err := a.earlier(ctx, m)
	if err != nil {
		return stored, err
	}
	if err := a.storeDocument(ctx, d, recordFile, tagRecord); err != nil {
		return stored, err
	}
	if err := a.step("record"); err != nil {
		return stored, err
	}
	if stored.Parts, d.Trees, err = a.storeParts(ctx, m, d, earlier, r); err != nil {
		return stored, err
	}
	d.Manifest.Stored = []providers.Stored{stored}
	if err := a.storeDocument(ctx, d, manifestFile, tagManifest); err != nil {
		return stored, err
	}
	return stored, a.step("manifest")
}

// earlier is the newest backup of the same instance whose manifest can be read; its
// parts are the parents of the next ones. restic takes a file for unchanged by what
// its parent has, so only a backup that was compared with its records may be one.
func (a *archive) earlier(ctx context.Context, m providers.Manifest) (document, error) {
	all, err := a.snapshots(ctx, "", false)
	if err != nil {
		return document{}, err
	}
	groups := byBackup(all)
	var ids []providers.BackupID
	for b, s := range groups {
		if b != m.ID && b.Instance() == m.ID.Instance() && len(s.only(tagManifest)) > 0 {
			ids = append(ids, b)
		}
	}
	slices.SortFunc(ids, func(x, y providers.BackupID) int { return y.Time().Compare(x.Time()) })
	for _, b := range ids {
		d, err := a.load(ctx, b, groups[b], false)
		if ctx.Err() != nil {
			return document{}, context.Cause(ctx)
		}
		if err == nil && d.Manifest.Of(m.Instance, m.URL) && len(d.missing(groups[b])) == 0 {
			return d, nil
		}
	}
	return document{}, nil
}

// parent is the snapshot of the same tree in an earlier backup, "" if there is none.
func (d document) parent(address, place string) string {
	for _, t := range d.Trees[address] {
		if t.Place == place {
			return t.Snapshot
		}
	}
	return ""
}

// storeParts stores all parts, several at a time.
func (a *archive) storeParts(ctx context.Context, m providers.Manifest, d, earlier document, r providers.Records) (map[string]providers.Part, map[string][]tree, error) {
	parts, trees := map[string]providers.Part{}, map[string][]tree{}
	done := a.progress(m)
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(a.atOnce())
	for _, art := range m.Artifacts {
		if len(art.Trees) == 0 {
			continue
		}
		g.Go(func() error {
			part, stored, err := a.storePart(ctx, m.ID, art, d.Trees[art.Address], earlier, r[art.Address], done)
			if err != nil {
				return fmt.Errorf("archive %s: %w", art.Address, err)
			}
			mu.Lock()
			defer mu.Unlock()
			parts[art.Address], trees[art.Address] = part, stored
			return nil
		})
	}
	return parts, trees, g.Wait()
}

// storePart stores the trees of an artifact, each as a snapshot.
func (a *archive) storePart(ctx context.Context, b providers.BackupID, art providers.Artifact, roots []tree, earlier document, r providers.Record, done *progress) (providers.Part, []tree, error) {
	var part providers.Part
	var out []tree
	c := newComparison(&art, r)
	for i, t := range art.Trees {
		s := &storing{archive: a, backup: b, address: art.Address, tree: t, nothing: roots[i].Empty, parent: earlier.parent(art.Address, t.Place), done: done}
		made, err := s.store(ctx, c)
		if err != nil {
			return part, nil, err
		}
		made.Place, made.Root = t.Place, roots[i].Root
		out = append(out, made)
		part.StoredBytes += s.packed
	}
	if err := c.result(); err != nil {
		return part, nil, err
	}
	if r != nil {
		if err := r.Intact(ctx); err != nil {
			return part, nil, err
		}
	}
	part.Files, part.Bytes, part.Holes = c.files, c.bytes, c.holes
	part.Object, part.SHA256 = objectOf(out)
	return part, out, a.step("part")
}

// objectOf names a part by its snapshots, and its content by the digests that restic
// has of their trees.
func objectOf(trees []tree) (object, sum string) {
	if len(trees) == 1 {
		return trees[0].Snapshot, trees[0].Tree
	}
	var ids []string
	digest := sha256.New()
	for _, t := range trees {
		ids = append(ids, t.Snapshot)
		_, _ = fmt.Fprintf(digest, "%s %q\n", t.Tree, t.Place)
	}
	return strings.Join(ids, ","), hex.EncodeToString(digest.Sum(nil))
}

// storing is one tree on its way.
type storing struct {
	archive *archive
	backup  providers.BackupID
	address string
	tree    providers.Tree
	dir     string // the tree's folder, without symbolic links
	nothing bool   // the tree is empty
	// parent is the snapshot whose files are not read again if they look the same, ""
	// to read all.
	parent string
	done   *progress

	made   string
	packed int64
	// read are the files that restic read, if there is a parent.
	read map[string]struct{}
	// unread are those that it could not read, and why.
	unread []unread
}

type unread struct{ item, why string }

// store makes the snapshot, and compares it with the tree and its record.
func (s *storing) store(ctx context.Context, c *comparison) (tree, error) {
	dir, err := filepath.EvalSymlinks(s.tree.Path)
	if err != nil {
		return tree{}, err
	}
	s.dir = dir
	if s.nothing {
		return tree{Empty: true}, c.folderAlone(ctx, s)
	}
	if err := s.backUp(ctx, dir); err != nil {
		if codeOf(err) == codeIncomplete {
			err = s.incomplete(c, err)
		}
		return tree{}, err
	}
	if err := c.tree(ctx, s, dir); err != nil {
		return tree{}, err
	}
	all, err := s.archive.snapshots(ctx, s.backup, false)
	if err != nil {
		return tree{}, err
	}
	i := slices.IndexFunc(all, func(x snapshot) bool { return x.ID == s.made })
	if i < 0 {
		return tree{}, problem.New("snapshot is missing", fmt.Sprintf("%s was stored as %s, which %s does not list", s.address, s.made, s.archive.shown()), "run the backup again; look whether somebody else removes snapshots")
	}
	return tree{Snapshot: s.made, Tree: all[i].Tree}, nil
}

// isEmpty reports whether nothing of a tree is to be stored.
func isEmpty(t providers.Tree) (bool, error) {
	entries, err := os.ReadDir(t.Path)
	skip := t.LeaveOut.Matcher()("")
	return !slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return e.Type()&fs.ModeSocket == 0 && (skip == nil || !skip(e.Name(), e.IsDir()))
	}), err
}

// backUp runs restic over the tree. The target is the folder itself by its shortest name,
// so that the snapshot has nothing of its path.
func (s *storing) backUp(ctx context.Context, dir string) (err error) {
	a := s.archive
	if err := a.makeWork(); err != nil {
		return err
	}
	excludes, removed, err := a.excludes(ctx, dir, s.tree.LeaveOut)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removed()) }()
	args := []string{"backup", ".", "--json", "--no-scan", "--host", a.host(s.backup), "--compression", a.cfg.Compression}
	args = append(args, a.tagsOf(s.backup, tagPart+encoded(s.address), tagPlace+encoded(s.tree.Place))...)
	if a.cfg.PackSize > 0 {
		args = append(args, "--pack-size", strconv.Itoa(a.cfg.PackSize))
	}
	if s.parent == "" {
		args = append(args, "--force")
	} else {
		s.read = map[string]struct{}{}
		args = append(args, "--parent", s.parent, "--verbose=2")
	}
	err = a.run(ctx, call{args: append(args, excludes...), dir: dir, stdout: &lines{each: s.line}, stderr: &lines{each: s.complaint}})
	if err == nil && !isHash(s.made) {
		err = a.misunderstood(call{args: args}, fmt.Errorf("it made the snapshot %q", s.made))
	}
	return err
}

// line takes what restic prints while it stores.
func (s *storing) line(text []byte) error {
	var l struct {
		summaryLine
		summary

		Action string `json:"action"`
		Item   string `json:"item"`
		Done   int64  `json:"bytes_done"`
		Files  int64  `json:"files_done"`
	}
	if err := json.Unmarshal(text, &l); err != nil {
		return err
	}
	switch l.Type {
	case "summary":
		s.made, s.packed = l.Snapshot, l.Packed
		s.done.set(s, l.summary.Files, l.summary.Bytes)
	case "status":
		s.done.set(s, l.Files, l.Done)
	case "verbose_status":
		if l.Action != "unchanged" && s.read != nil {
			s.read[l.Item] = struct{}{}
		}
	}
	return nil
}

// complaint takes what restic prints of files that it cannot read. Whatever else it
// prints there is for the log.
func (s *storing) complaint(text []byte) error {
	var l struct {
		Item  string `json:"item"`
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(text, &l) == nil && l.Item != "" && len(s.unread) < foundNames {
		s.unread = append(s.unread, unread{l.Item, l.Error.Message})
	}
	return nil
}

// incomplete is the error for files that restic could not read. What the disk does not
// read any more is damage.
func (s *storing) incomplete(c *comparison, err error) error {
	var names []string
	for _, u := range s.unread {
		names = append(names, fmt.Sprintf("%q (%s)", u.item, u.why))
		if rel, err := filepath.Rel(s.dir, u.item); err == nil && damageIn(u.why) {
			c.differs(filepath.ToSlash(rel), "cannot be read ("+u.why+")")
		}
	}
	if damaged := c.result(); damaged != nil {
		return damaged
	}
	return problem.Wrapf(err, "files could not be read", "let the user that runs bkp read all files of the working copy, and nothing write there; then run the backup again", "%s", strings.Join(names, ", "))
}

// progress is how far all parts have come. It is safe for concurrent use.
type progress struct {
	env  providers.Env
	mu   sync.Mutex
	of   map[*storing][2]int64
	done providers.Progress
}

// progress begins one of what m has in other archives; of what none has yet the
// size is not known.
func (a *archive) progress(m providers.Manifest) *progress {
	p := &progress{env: a.env, of: map[*storing][2]int64{}}
	for _, art := range m.Artifacts {
		part, _ := m.Part(art.Address)
		p.done.TotalFiles += part.Files
		p.done.TotalBytes += part.Bytes
	}
	return p
}

// set says how far a tree has come.
func (p *progress) set(s *storing, files, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.of[s]
	p.of[s] = [2]int64{files, bytes}
	p.done.Files += files - before[0]
	p.done.Bytes += bytes - before[1]
	p.env.Report(p.done)
}

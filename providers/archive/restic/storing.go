package restic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/internal/compare"
	"bkp/providers/archive/internal/shelf"
)

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
	done   *shelf.Progress
	// come is how many files and bytes were reported.
	come [2]int64

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
	err = s.backUp(ctx, dir)
	if codeOf(err) == codeIncomplete && s.parent != "" && s.lacksParent() {
		err = s.withoutParent(ctx, dir)
	}
	if codeOf(err) == codeIncomplete {
		err = s.incomplete(c, err)
	}
	if err != nil {
		return tree{}, err
	}
	root, err := c.tree(ctx, s, dir)
	if err == nil && c.result() == nil && !isHash(root) {
		err = s.archive.misunderstood(call{args: []string{"ls"}}, fmt.Errorf("snapshot %s has the tree %q", s.made, root))
	}
	return tree{Snapshot: s.made, Tree: root}, err
}

// lacksParent reports whether what restic could not read is all in the repository: folders
// of the parent, which it names by their place in the snapshot, and nothing of the tree.
func (s *storing) lacksParent() bool {
	return len(s.unread) > 0 && !slices.ContainsFunc(s.unread, func(u unread) bool {
		rel, err := filepath.Rel(s.dir, u.item)
		return err != nil || filepath.IsLocal(rel)
	})
}

// withoutParent makes the snapshot again, and reads everything: the earlier backup that
// was to spare it is damaged.
func (s *storing) withoutParent(ctx context.Context, dir string) error {
	a := s.archive
	a.env.Warning(fmt.Sprintf("all of %s is read again: the backup before lacks data in %s, and bkp verify names what is damaged", s.address, a.shown()))
	if isHash(s.made) {
		if err := a.letBe(a.forget(ctx, s.backup, []string{s.made})); err != nil {
			return err
		}
	}
	s.made, s.packed, s.parent, s.read, s.unread = "", 0, "", nil, nil
	s.report(0, 0)
	return s.backUp(ctx, dir)
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
		s.report(l.summary.Files, l.Bytes)
	case "status":
		s.report(l.Files, l.Done)
	case "verbose_status":
		if l.Action != "unchanged" && s.read != nil {
			s.read[l.Item] = struct{}{}
		}
	}
	return nil
}

// mostNamed is how many files a message names.
const mostNamed = 5

// complaint takes what restic prints of files that it cannot read. Whatever else it
// prints there is for the log.
func (s *storing) complaint(text []byte) error {
	var l struct {
		Item  string `json:"item"`
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(text, &l) == nil && l.Item != "" && len(s.unread) < mostNamed {
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
		if rel, err := filepath.Rel(s.dir, u.item); err == nil && compare.DamageIn(u.why) {
			c.record.Differs(filepath.ToSlash(rel), "cannot be read ("+u.why+")")
		}
	}
	if damaged := c.result(); damaged != nil {
		return damaged
	}
	return problem.Wrapf(err, "files could not be read", "let the user that runs bkp read all files of the working copy, and nothing write there; then run the backup again", "%s", strings.Join(names, ", "))
}

// report says how far the tree has come.
func (s *storing) report(files, bytes int64) {
	s.done.Add(files-s.come[0], bytes-s.come[1], true)
	s.come = [2]int64{files, bytes}
}

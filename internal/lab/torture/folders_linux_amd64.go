package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bkp/internal/records/catalog"
	"bkp/internal/records/state"
	"bkp/providers"
)

// workFolder is where the state folder has working copies and dumps.
const workFolder = "state/work"

// inResticFolder is the work folder of an archive of restic. Its cache is restic's.
const inResticFolder = "archive.restic.local"

// plain is a path below the scene's folder without the folder of the instance,
// whose name depends on the port.
func (c *scene) plain(rel string) string {
	of := state.Work("state", "torture", c.http.URL, "")
	if rest, ok := strings.CutPrefix(rel, of); ok && (rest == "" || rest[0] == '/') {
		return workFolder + rest
	}
	return rel
}

// judgeCopy compares the working copy with the home, which nobody changes now:
// it has nothing that the home has not.
func (c *scene) judgeCopy(_ context.Context, o *outcome) error {
	root := filepath.Join(state.Work(c.stateDir(), "torture", c.http.URL, "home."+c.home+".shared"), "copy", "home")
	return filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if _, err := os.Lstat(filepath.Join(c.homeDir(), rel)); err != nil {
			o.broken(exact, "the working copy holds %s, the home does not", rel)
		}
		return nil
	})
}

// judgeFolders judges what lies in bkp's folders: nothing but what is
// documented, and of every backup either all or nothing.
func (c *scene) judgeFolders(ctx context.Context, o *outcome) error {
	all, err := c.listed(ctx)
	if err != nil {
		return err
	}
	if err := c.archive.judge(ctx, o, all); err != nil {
		return err
	}
	for _, d := range []string{"tmp", "state"} {
		if err := c.strange(o, d, all); err != nil {
			return err
		}
	}
	return c.judgeFiles(o, all)
}

// judgeFiles judges what a database server has of backups: nothing, unless one is not
// stored yet.
func (c *scene) judgeFiles(o *outcome, all []catalog.Entry) error {
	f, ok := c.engine.(filing)
	if !ok || slices.ContainsFunc(all, func(e catalog.Entry) bool { return e.Status == catalog.Captured }) {
		return nil
	}
	left, err := f.files(c.name)
	if len(left) > 0 {
		o.broken(tidy, "the database server has %q", left)
	}
	return err
}

// restoreRecord names the database that a killed restore has left on SQL Server. The next
// restore drops it, and nothing else does: a backup needs no login that may.
const restoreRecord = "state/work/database.sqlserver.main/restore.json"

// strange finds what does not belong into a folder.
func (c *scene) strange(o *outcome, folder string, all []catalog.Entry) error {
	return filepath.WalkDir(filepath.Join(c.dir, folder), func(path string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(c.dir, path)
		if err != nil {
			return err
		}
		rel = c.plain(rel)
		switch rel {
		case filepath.Join("state", "work", "home."+c.home+".shared", "copy"), filepath.Join("state", "work", inResticFolder, "cache"):
			return filepath.SkipDir
		}
		if !c.belongs(rel, d, all) && (rel != restoreRecord || o.restored > 0) {
			o.broken(tidy, "%s", rel)
		}
		return nil
	})
}

// belongs reports whether a path is one that the documentation names.
func (c *scene) belongs(rel string, d os.DirEntry, all []catalog.Entry) bool {
	dir, name := filepath.Split(rel)
	id, suffix, _ := strings.Cut(name, ".")
	_, err := providers.ParseBackupID(id)
	isID := err == nil
	switch dir {
	case "":
		return true
	case "state/":
		return d.IsDir() || name == "lock" || name == "drill.lock"
	case "state/journal/":
		return isID && suffix == "jsonl"
	case "state/logs/":
		return isID && suffix == "log"
	case "state/catalog/":
		return isID && suffix == "json" || d.IsDir() && (name == "drills" || name == "runs")
	case "state/catalog/drills/":
		return isID && suffix == "json"
	case "state/catalog/runs/":
		return strings.HasSuffix(name, ".json")
	case workFolder + "/":
		return d.IsDir()
	case workFolder + "/home." + c.home + ".shared/":
		// What belongs to a working copy stays with it from one run to the next:
		// its index, or that live passes into it are not confirmed yet.
		return name == "index-home" || name == "index-home.synced" || c.home == "rsync" && (name == "unconfirmed" || name == "unsealed")
	}
	if c.kind == inRestic && dir == workFolder+"/"+inResticFolder+"/manifests/" {
		return strings.HasSuffix(name, ".json") && !strings.HasPrefix(name, ".")
	}
	if c.kind == inRestic && dir == workFolder+"/"+inResticFolder+"/" {
		return name == "manifests" || name == "packs" || name == "share" // which share of the data verify reads next
	}
	// A dump stays as long as its backup is in no archive.
	return slices.ContainsFunc(all, func(e catalog.Entry) bool {
		return e.Status == catalog.Captured && strings.HasPrefix(rel, filepath.Join("state", "work", "database."+c.database+".main", string(e.Manifest.ID)))
	})
}

package restic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
)

const repositoryDamaged = providers.OthersDamaged

// Verify implements providers.Archiver. It looks at the structure of the whole
// repository, and reads a share of its data, another one each time; if anything is
// damaged, all of this backup is read, to know whether it concerns it.
func (a *archive) Verify(ctx context.Context, b providers.BackupID) ([]providers.Finding, error) {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return nil, err
	}
	all, err := a.snapshots(ctx, b, true)
	if err != nil {
		return nil, err
	}
	var r providers.Report
	d, err := a.load(ctx, b, all, true)
	switch {
	case errors.Is(err, providers.ErrNotFound) && len(all.parts()) == 0:
		return nil, err
	case errors.Is(err, providers.ErrNotFound):
		r.Add(problem.New("manifest is missing", a.at(b)+" has no manifest, and other snapshots", rebuildRemedy))
	case err != nil:
		if err := addProblem(&r, err); err != nil || ctx.Err() != nil {
			return r.Findings, err
		}
	}
	if r.Failed() {
		return r.Findings, nil
	}
	if gone := d.missing(all); len(gone) > 0 {
		f := a.incomplete(b, gone)
		f.Severity = problem.Error
		r.Add(f)
		return r.Findings, nil
	}
	return a.check(ctx, d, r)
}

// check has restic look at its data.
func (a *archive) check(ctx context.Context, d document, r providers.Report) ([]providers.Finding, error) {
	share, of := a.share(), a.cfg.ReadShare
	args := []string{"check"}
	if of == 1 {
		args = append(args, "--read-data")
	} else {
		args = append(args, fmt.Sprintf("--read-data-subset=%d/%d", share+1, of))
	}
	var said complaints
	err := a.run(ctx, call{args: args, stderr: &said})
	switch code := codeOf(err); {
	case ctx.Err() != nil || code == codeLocked || code == codePassword || code == codeNone:
		return r.Findings, err
	case err != nil && code != 1:
		return r.Findings, err
	case err != nil:
		return a.concerns(ctx, d, r, said.text())
	}
	if of > 1 {
		if err := a.nextShare(share); err != nil {
			a.env.Warning("the next verification reads the same share: " + err.Error())
		}
		a.env.Warning(fmt.Sprintf("share %d of %d of the data in %s was read; the next verifications read the others, and a drill reads all of a backup", share+1, of, a.shown()))
	}
	return r.Findings, nil
}

// readAll reads all that a snapshot holds; restic compares each piece with its digest.
// Of the formats, tar does not take every extended attribute.
func (a *archive) readAll(ctx context.Context, snapshot string) error {
	return a.run(ctx, call{args: []string{"dump", "--archive", "zip", snapshot, "/"}, reads: true, uncached: true, stdout: io.Discard})
}

// concerns looks whether what is damaged in the repository belongs to the backup, by
// reading all of it.
func (a *archive) concerns(ctx context.Context, d document, r providers.Report, words string) ([]providers.Finding, error) {
	const remedy = "do not rely on the backups in it; find out what damages the storage, then repair it:\n\n    restic repair index\n    restic repair snapshots --dry-run\n"
	for address, trees := range d.Trees {
		for _, t := range trees {
			if t.Empty {
				continue
			}
			err := a.readAll(ctx, t.Snapshot)
			if ctx.Err() != nil {
				return r.Findings, err
			}
			if err != nil {
				r.Add(problem.Wrapf(err, "artifact is damaged", remedy, "%s of %s in %s", address, d.Manifest.ID, a.shown()))
			}
		}
	}
	severity := problem.Warning
	if r.Failed() {
		severity = problem.Error
	}
	f := problem.New(repositoryDamaged, fmt.Sprintf("%s: %s", a.shown(), words), remedy)
	f.Severity = severity
	r.Add(f)
	return r.Findings, nil
}

// share is which one of the shares is read next.
func (a *archive) share() int {
	text, err := os.ReadFile(a.work(shareFile))
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || n < 0 {
		return 0
	}
	return n % a.cfg.ReadShare
}

func (a *archive) nextShare(read int) error {
	if err := a.makeWork(); err != nil {
		return err
	}
	return os.WriteFile(a.work(shareFile), []byte(strconv.Itoa(read+1)+"\n"), 0o600)
}

// complaints keeps the first lines of what restic check prints of damage.
type complaints struct {
	lines lines
	said  []string
}

// Write implements io.Writer.
func (c *complaints) Write(p []byte) (int, error) {
	c.lines.each = func(line []byte) error {
		if len(c.said) < mostNamed {
			c.said = append(c.said, message(string(line)))
		}
		return nil
	}
	return c.lines.Write(p)
}

func (c *complaints) text() string { return strings.Join(c.said, "; ") }

// Rebuild implements providers.Archiver.
func (a *archive) Rebuild(ctx context.Context) ([]providers.BackupID, []providers.Finding, error) {
	all, err := a.snapshots(ctx, "", true)
	if codeOf(err) == codeNone && a.cfg.Init {
		return nil, nil, nil // it is made by the first backup
	}
	if err != nil {
		return nil, nil, err
	}
	var made []providers.BackupID
	var r providers.Report
	for b, of := range byBackup(all) {
		if len(of.only(tagManifest)) > 0 || len(of.parts()) == 0 || len(of.only(tagReserved)) > 0 {
			continue
		}
		err := a.rebuild(ctx, b, of)
		if ctx.Err() != nil {
			return made, r.Findings, context.Cause(ctx)
		}
		if err != nil {
			r.Add(problem.Wrapf(err, "manifest cannot be made again", restoreOther, "%s", a.at(b)))
			continue
		}
		made = append(made, b)
	}
	return made, r.Findings, nil
}

// rebuild makes a manifest from the record, which was stored first, and the snapshots
// of all parts that it names, once all of them were read.
func (a *archive) rebuild(ctx context.Context, b providers.BackupID, of set) error {
	records := of.only(tagRecord)
	if len(records) != 1 {
		return fmt.Errorf("it has %d records", len(records))
	}
	d, err := a.readDocument(ctx, records[0], recordFile, true)
	if err != nil {
		return err
	}
	if err := plausible(d, b, false); err != nil {
		return err
	}
	stored := providers.Stored{Archive: a.env.Address, Location: a.at(b), Parts: map[string]providers.Part{}}
	for address, trees := range d.Trees {
		part, err := a.rebuildPart(ctx, of.only(tagPart+encoded(address)), trees)
		if err != nil {
			return fmt.Errorf("%s: %w", address, err)
		}
		stored.Parts[address] = part
	}
	d.Manifest.Stored = []providers.Stored{stored}
	return a.storeDocument(ctx, d, manifestFile, tagManifest)
}

// rebuildPart finds the snapshots of trees, and reads each to its end.
func (a *archive) rebuildPart(ctx context.Context, of set, trees []tree) (providers.Part, error) {
	var part providers.Part
	var packed int64
	for i, t := range trees {
		at := of.only(tagPlace + encoded(t.Place))
		if t.Empty {
			part.Files++
			continue
		}
		if len(at) != 1 {
			return part, fmt.Errorf("it has %d snapshots of %q", len(at), t.Place)
		}
		if err := a.readAll(ctx, at[0].ID); err != nil {
			return part, err
		}
		trees[i].Snapshot, trees[i].Tree = at[0].ID, at[0].Tree
		if err := a.count(ctx, at[0].ID, &part); err != nil {
			return part, err
		}
		packed += at[0].Summary.Packed
	}
	part.Objects = objectsOf(trees, packed)
	return part, nil
}

// count adds up what a snapshot holds. Of a file with several names each counts as its
// inode does; holes are not known.
func (a *archive) count(ctx context.Context, id string, part *providers.Part) error {
	part.Files++ // the root
	seen := map[uint64]bool{}
	return a.run(ctx, call{args: []string{"ls", "--json", id}, reads: true, stdout: &lines{each: func(line []byte) error {
		var x struct {
			node

			Inode uint64 `json:"inode"`
		}
		if err := json.Unmarshal(line, &x); err != nil {
			return err
		}
		if x.Kind != "node" {
			return nil
		}
		part.Files++
		if x.Type == "file" && !seen[x.Inode] {
			seen[x.Inode] = true
			part.Bytes += x.Size
		}
		return nil
	}}})
}

// Package prune removes the backups of an archive that its retention does not
// keep.
//
// It leaves out the rules (internal/records/retention), and what a plan and a
// command show of them.
package prune

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/go-multierror"

	"bkp/internal/records/catalog"
	"bkp/internal/records/retention"
	"bkp/providers"
)

// Known is what the catalog adds to what an archive lists.
type Known struct {
	// Held are the backups that no rule removes, with the reason.
	Held map[providers.BackupID]string
	// Damaged are those in which a verification found damage, by archive.
	Damaged map[providers.BackupID][]string
}

// Read reads what the catalog knows of an instance's backups. What it cannot read
// might hold a backup, and is an error.
func Read(c catalog.Catalog, instance, url string, now time.Time) (Known, error) {
	pins, err := c.Pins()
	if err != nil {
		return Known{}, err
	}
	last, err := c.LastProven(instance, url)
	if err != nil {
		return Known{}, err
	}
	entries, _ := c.List() // what cannot be read is shown by list, and holds nothing
	return Collect(pins, last, entries, now), nil
}

// Collect makes it of what was read before. last may be nil.
func Collect(pins map[providers.BackupID]catalog.Pin, last *catalog.Drill, entries []catalog.Entry, now time.Time) Known {
	out := Known{Held: map[providers.BackupID]string{}, Damaged: map[providers.BackupID][]string{}}
	if last != nil {
		out.Held[last.Backup] = "last proven restore"
	}
	for id, pin := range pins {
		if pin.Holds(now) {
			out.Held[id] = pin.String()
		}
	}
	for _, e := range entries {
		for _, d := range e.Damaged {
			out.Damaged[e.Manifest.ID] = append(out.Damaged[e.Manifest.ID], d.Archive)
		}
	}
	return out
}

// Item is a backup as retention sees it in an archive.
func (k Known) Item(m providers.Manifest, archive string) retention.Item {
	return retention.Item{
		ID: string(m.ID), Time: m.ID.Time(), Sizes: m.Sizes(), Held: k.Held[m.ID], Damaged: slices.Contains(k.Damaged[m.ID], archive),
	}
}

// Items are the backups of an instance that an archive lists. The findings are
// those of the archive.
func (k Known) Items(ctx context.Context, archive string, a providers.Archiver, instance, url string) ([]retention.Item, []providers.Finding, error) {
	list, findings, err := a.List(ctx)
	if err != nil {
		return nil, nil, err
	}
	var out []retention.Item
	for _, m := range list {
		if m.Of(instance, url) {
			out = append(out, k.Item(m, archive))
		}
	}
	return out, findings, nil
}

// Remove removes backups from an archive and takes them off the list, and returns
// those that are gone. One that fails does not stop the others.
func Remove(ctx context.Context, c catalog.Catalog, archive string, a providers.Archiver, ids []providers.BackupID) ([]providers.BackupID, error) {
	var gone []providers.BackupID
	var all *multierror.Error
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			all = multierror.Append(all, context.Cause(ctx))
			break
		}
		err := remove(ctx, c, archive, a, id)
		if err != nil {
			all = multierror.Append(all, fmt.Errorf("remove %s from %s: %w", id, archive, err))
			continue
		}
		gone = append(gone, id)
	}
	return gone, all.ErrorOrNil()
}

// remove takes a backup off the list first: a process that is killed in between leaves one in the
// archive that the next prune finds there, and not one on the list that is nowhere. It does so again
// afterwards: list --refresh holds no lock, and puts back what it saw in the archive meanwhile.
func remove(ctx context.Context, c catalog.Catalog, archive string, a providers.Archiver, id providers.BackupID) error {
	e, unknown := c.Get(id)
	if err := c.RemoveFrom(id, archive); err != nil {
		return err
	}
	err := a.Delete(ctx, id)
	switch {
	case err == nil:
		return c.RemoveFrom(id, archive)
	case unknown == nil:
		return errors.Join(err, c.Put(e))
	}
	return err
}

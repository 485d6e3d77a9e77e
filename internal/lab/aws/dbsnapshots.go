//go:build linux

package aws

import (
	"maps"
	"slices"
	"strings"
	"time"
)

type dbSnapshot struct {
	ID, Database string
	Text         string
	Ready        time.Time
	Failed       bool
	Tags         tags
	// shared are the accounts that may use it, unseen is how many looks do not show it yet.
	shared map[string]bool
	unseen int
}

func (s *dbSnapshot) status(now time.Time) string {
	if now.Before(s.Ready) {
		return "creating"
	}
	if s.Failed {
		return "failed"
	}
	return "available"
}

func (w *World) describeDatabaseSnapshots(f family) func(call) (elements, *failure) {
	return func(c call) (elements, *failure) {
		now, of := w.now(), c.Get(f.noun+"Identifier")
		var found []*dbSnapshot
		for _, id := range slices.Sorted(maps.Keys(f.snaps(c.state))) {
			if s := f.snaps(c.state)[id]; (of == "" || s.Database == of) && shows(&s.unseen) {
				found = append(found, s)
			}
		}
		if w.leap > 0 || slices.ContainsFunc(found, func(s *dbSnapshot) bool { return s.status(now) == "creating" }) {
			w.offset += step
		}
		return elements{el(f.snapshot+"s", all(f.snapshot, found, func(s *dbSnapshot) elements {
			return elements{
				el(f.snapshot+"Identifier", s.ID), el(f.snapshot+"Arn", f.dbSnapshotARN(c.place, s.ID)), el(f.noun+"Identifier", s.Database),
				el("Status", s.status(now)), el("AllocatedStorage", 20), el("TagList", s.Tags.xml("Tag")),
			}
		}))}, nil
	}
}

// createDatabaseSnapshot takes it in the middle of its time, as nobody may rely on
// the moment of the call. An instance of a cluster has none of its own.
func (w *World) createDatabaseSnapshot(f family) func(call) (elements, *failure) {
	return func(c call) (elements, *failure) {
		d, id := f.dbs(c.state)[c.Get(f.noun+"Identifier")], c.Get(f.snapshot+"Identifier")
		switch {
		case d == nil:
			return nil, f.missing(c.Get(f.noun + "Identifier"))
		case d.Cluster != "":
			return nil, fail("InvalidParameterValue", "The specified instance is a member of a cluster and a snapshot cannot be created directly.")
		case f.snaps(c.state)[id] != nil:
			return nil, fail(f.snapshot+"AlreadyExists"+f.fault, "Cannot create the snapshot because a snapshot with the identifier %s already exists.", id)
		case d.status(w.now()) != "available":
			return nil, fail("Invalid"+f.noun+"State"+f.fault, "%s is not in the available state.", d.ID)
		}
		f.snaps(c.state)[id] = &dbSnapshot{ID: id, Database: d.ID, Text: d.at(w.now()), Ready: w.now().Add(w.takes), Tags: c.tagList("Tags.Tag"), shared: map[string]bool{}, unseen: w.lag}
		d.busy, d.ready = "backing-up", w.now().Add(w.takes)
		return elements{el(f.snapshot, elements{el(f.snapshot+"Identifier", id)})}, nil
	}
}

func (w *World) deleteDatabaseSnapshot(f family) func(call) (elements, *failure) {
	return func(c call) (elements, *failure) {
		id := c.Get(f.snapshot + "Identifier")
		switch s := f.snaps(c.state)[id]; {
		case s == nil:
			return nil, f.missingSnapshot(id)
		case s.status(w.now()) == "creating":
			return nil, fail("Invalid"+f.snapshot+"State"+f.fault, "Cannot delete the snapshot because it is not currently in the available or failed state.")
		}
		delete(f.snaps(c.state), id)
		return elements{el(f.snapshot, elements{el(f.snapshot+"Identifier", id)})}, nil
	}
}

// copyDatabaseSnapshot copies one of another place, by its ARN.
func (w *World) copyDatabaseSnapshot(f family) func(call) (elements, *failure) {
	return func(c call) (elements, *failure) {
		arn, id := strings.Split(c.Get("Source"+f.snapshot+"Identifier"), ":"), c.Get("Target"+f.snapshot+"Identifier")
		if len(arn) != 7 {
			return nil, fail("InvalidParameterValue", "the source is not an ARN")
		}
		from := place{account: arn[4], region: arn[3]}
		s := f.snaps(w.at(from))[arn[6]]
		switch {
		case s == nil || from.account != c.place.account && !s.shared[c.place.account]:
			return nil, f.missingSnapshot(arn[6])
		case s.status(w.now()) != "available":
			return nil, fail("Invalid"+f.snapshot+"State"+f.fault, "%s is not available", s.ID)
		case f.snaps(c.state)[id] != nil:
			return nil, fail(f.snapshot+"AlreadyExists"+f.fault, "a snapshot with the identifier %s already exists", id)
		}
		f.snaps(c.state)[id] = &dbSnapshot{ID: id, Database: s.Database, Text: s.Text, Ready: w.now().Add(w.takes), Failed: w.badKey(c), Tags: c.tagList("Tags.Tag"), shared: map[string]bool{}, unseen: w.lag}
		return elements{el(f.snapshot, elements{el(f.snapshot+"Identifier", id)})}, nil
	}
}

func (w *World) shareDatabaseSnapshot(f family) func(call) (elements, *failure) {
	return func(c call) (elements, *failure) {
		s := f.snaps(c.state)[c.Get(f.snapshot+"Identifier")]
		if s == nil {
			return nil, f.missingSnapshot(c.Get(f.snapshot + "Identifier"))
		}
		for _, account := range c.list("ValuesToAdd.AttributeValue") {
			s.shared[account] = true
		}
		for _, account := range c.list("ValuesToRemove.AttributeValue") {
			delete(s.shared, account)
		}
		return nil, nil
	}
}

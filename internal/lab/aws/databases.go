//go:build linux

package aws

import (
	"maps"
	"slices"
	"time"
)

// arrears is how old the latest restorable time of a database may become.
const arrears = 5 * time.Minute

// database is an instance of RDS. Its content is a text, with what it was at any time.
type database struct {
	ID        string
	Resource  string
	Retention int
	Tags      tags
	history   []change
	// ready is when it is available again; busy is its status until then.
	ready time.Time
	busy  string
	class string
}

type change struct {
	at   time.Time
	text string
}

// at is what the database held at a time.
func (d *database) at(t time.Time) string {
	text := ""
	for _, c := range d.history {
		if !c.at.After(t) {
			text = c.text
		}
	}
	return text
}

func (d *database) status(now time.Time) string {
	if now.Before(d.ready) {
		return d.busy
	}
	return "available"
}

type dbSnapshot struct {
	ID, Database string
	Text         string
	Ready        time.Time
	Tags         tags
}

func (s *dbSnapshot) status(now time.Time) string {
	if now.Before(s.Ready) {
		return "creating"
	}
	return "available"
}

func databaseARN(id string) string { return "arn:aws:rds:" + Region + ":" + Account + ":db:" + id }
func dbSnapshotARN(id string) string {
	return "arn:aws:rds:" + Region + ":" + Account + ":snapshot:" + id
}

// NewDatabase makes one that keeps its past for a number of days.
func (w *World) NewDatabase(id string, retention int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.home().dbs[id] = &database{ID: id, Resource: w.id("db"), Retention: retention, Tags: tags{}, class: "db.t4g.medium"}
}

// Write changes what a database holds.
func (w *World) Write(id, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.home().dbs[id]
	d.history = append(d.history, change{w.now(), text})
}

// Read is what a database holds now, "" for one that is not there.
func (w *World) Read(id string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d := w.home().dbs[id]; d != nil {
		return d.at(w.now())
	}
	return ""
}

// Databases are the names of all, and of all snapshots of them.
func (w *World) Databases() (databases, snapshots []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.home().dbs)), slices.Sorted(maps.Keys(w.home().dbSnaps))
}

func (w *World) databaseXML(d *database) elements {
	now := w.now()
	out := elements{
		el("DBInstanceIdentifier", d.ID), el("DBInstanceArn", databaseARN(d.ID)), el("DbiResourceId", d.Resource), el("DBInstanceStatus", d.status(now)),
		el("Engine", "postgres"), el("EngineVersion", "16.4"), el("BackupRetentionPeriod", d.Retention), el("DBInstanceClass", d.class), el("MultiAZ", false),
		el("TagList", d.Tags.xml("Tag")),
	}
	if d.status(now) == "available" {
		out = append(out, el("Endpoint", elements{el("Address", d.ID+".rds.example.com"), el("Port", 5432)}))
	}
	if d.Retention > 0 {
		out = append(out, el("LatestRestorableTime", now.Truncate(arrears)))
	}
	return out
}

func (w *World) describeDatabases(c call) (elements, *failure) {
	d := c.state.dbs[c.Get("DBInstanceIdentifier")]
	if d == nil {
		return nil, fail("DBInstanceNotFound", "DBInstance %s not found.", c.Get("DBInstanceIdentifier"))
	}
	out := elements{el("DBInstances", elements{el("DBInstance", w.databaseXML(d))})}
	if d.status(w.now()) == "available" {
		w.offset += arrears / 2
	} else {
		w.offset += step
	}
	return out, nil
}

func (w *World) describeDatabaseSnapshots(c call) (elements, *failure) {
	now := w.now()
	var found []*dbSnapshot
	for _, id := range slices.Sorted(maps.Keys(c.state.dbSnaps)) {
		if s := c.state.dbSnaps[id]; s.Database == c.Get("DBInstanceIdentifier") {
			found = append(found, s)
		}
	}
	w.offset += step
	return elements{el("DBSnapshots", all("DBSnapshot", found, func(s *dbSnapshot) elements {
		return elements{el("DBSnapshotIdentifier", s.ID), el("DBSnapshotArn", dbSnapshotARN(s.ID)), el("DBInstanceIdentifier", s.Database), el("Status", s.status(now)), el("TagList", s.Tags.xml("Tag"))}
	}))}, nil
}

// createDatabaseSnapshot takes it in the middle of its time, as nobody may rely on
// the moment of the call.
func (w *World) createDatabaseSnapshot(c call) (elements, *failure) {
	d, id := c.state.dbs[c.Get("DBInstanceIdentifier")], c.Get("DBSnapshotIdentifier")
	switch {
	case d == nil:
		return nil, fail("DBInstanceNotFound", "DBInstance %s not found.", c.Get("DBInstanceIdentifier"))
	case c.state.dbSnaps[id] != nil:
		return nil, fail("DBSnapshotAlreadyExists", "Cannot create the snapshot because a snapshot with the identifier %s already exists.", id)
	case d.status(w.now()) != "available":
		return nil, fail("InvalidDBInstanceState", "Instance %s is not in the available state.", d.ID)
	}
	c.state.dbSnaps[id] = &dbSnapshot{ID: id, Database: d.ID, Text: d.at(w.now()), Ready: w.now().Add(takes), Tags: c.tagList("Tags.Tag")}
	d.busy, d.ready = "backing-up", w.now().Add(takes)
	return elements{el("DBSnapshot", elements{el("DBSnapshotIdentifier", id)})}, nil
}

func (w *World) deleteDatabaseSnapshot(c call) (elements, *failure) {
	id := c.Get("DBSnapshotIdentifier")
	if c.state.dbSnaps[id] == nil {
		return nil, fail("DBSnapshotNotFound", "DBSnapshot %s not found", id)
	}
	delete(c.state.dbSnaps, id)
	return elements{el("DBSnapshot", elements{el("DBSnapshotIdentifier", id)})}, nil
}

// tagged are the tags of an ARN.
func (c call) tagged() (tags, *failure) {
	for _, d := range c.state.dbs {
		if databaseARN(d.ID) == c.Get("ResourceName") {
			return d.Tags, nil
		}
	}
	for _, s := range c.state.dbSnaps {
		if dbSnapshotARN(s.ID) == c.Get("ResourceName") {
			return s.Tags, nil
		}
	}
	return nil, fail("DBInstanceNotFound", "%s not found", c.Get("ResourceName"))
}

func (w *World) tagDatabase(c call) (elements, *failure) {
	t, err := c.tagged()
	if err != nil {
		return nil, err
	}
	maps.Copy(t, c.tagList("Tags.Tag"))
	return nil, nil
}

func (w *World) untagDatabase(c call) (elements, *failure) {
	t, err := c.tagged()
	if err != nil {
		return nil, err
	}
	for _, key := range c.list("TagKeys.member") {
		delete(t, key)
	}
	return nil, nil
}

func (w *World) restoreDatabase(c call) (elements, *failure) {
	s := c.state.dbSnaps[c.Get("DBSnapshotIdentifier")]
	if s == nil || s.status(w.now()) != "available" {
		return nil, fail("InvalidDBSnapshotState", "DBSnapshot %s is not available", c.Get("DBSnapshotIdentifier"))
	}
	return w.madeDatabase(c, c.Get("DBInstanceIdentifier"), s.Text)
}

func (w *World) restoreDatabaseAt(c call) (elements, *failure) {
	d := c.state.dbs[c.Get("SourceDBInstanceIdentifier")]
	if d == nil {
		return nil, fail("DBInstanceNotFound", "DBInstance %s not found.", c.Get("SourceDBInstanceIdentifier"))
	}
	at, err := time.Parse(time.RFC3339, c.Get("RestoreTime"))
	if err != nil || at.After(w.now().Truncate(arrears)) || at.Before(w.now().AddDate(0, 0, -d.Retention)) {
		return nil, fail("InvalidParameterValue", "The specified instance cannot be restored to a time later than its latest restorable time, or before its earliest: %s", c.Get("RestoreTime"))
	}
	return w.madeDatabase(c, c.Get("TargetDBInstanceIdentifier"), d.at(at))
}

func (w *World) madeDatabase(c call, id, text string) (elements, *failure) {
	if c.state.dbs[id] != nil {
		return nil, fail("DBInstanceAlreadyExists", "DB instance already exists")
	}
	d := &database{ID: id, Resource: w.id("db"), Retention: 1, Tags: c.tagList("Tags.Tag"), class: c.Get("DBInstanceClass"), busy: "creating", ready: w.now().Add(takes)}
	d.history = []change{{w.now(), text}}
	c.state.dbs[id] = d
	return elements{el("DBInstance", w.databaseXML(d))}, nil
}

func (w *World) deleteDatabase(c call) (elements, *failure) {
	d := c.state.dbs[c.Get("DBInstanceIdentifier")]
	if d == nil {
		return nil, fail("DBInstanceNotFound", "DBInstance %s not found.", c.Get("DBInstanceIdentifier"))
	}
	delete(c.state.dbs, d.ID)
	return elements{el("DBInstance", w.databaseXML(d))}, nil
}

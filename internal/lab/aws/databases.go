//go:build linux

package aws

import (
	"cmp"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// arrears is how old the latest restorable time of a database may become.
const arrears = 5 * time.Minute

// database is an instance of RDS, or a cluster of Aurora. Its content is a text, with what
// it was at any time.
type database struct {
	ID string
	// Cluster that an instance is a member of.
	Cluster   string
	Resource  string
	Retention int
	Tags      tags
	history   []change
	// ready is when it is available again; busy is its status until then.
	ready time.Time
	busy  string
	class string
	// follows is a file whose content it has at each call, "" for none.
	follows string
	// groups are what the call that made it asked for.
	groups string
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

// family is what differs between instances and clusters: the names in the calls.
type family struct {
	noun, snapshot   string
	arn, snapshotARN string
	fault            string // ends the codes of errors
	from, source, to string // parameters of restores
	when             string
	resource, status string
}

var (
	instanceFamily = family{
		noun: "DBInstance", snapshot: "DBSnapshot", arn: "db", snapshotARN: "snapshot",
		from: "DBSnapshotIdentifier", source: "SourceDBInstanceIdentifier", to: "TargetDBInstanceIdentifier", when: "RestoreTime", resource: "DbiResourceId", status: "DBInstanceStatus",
	}
	clusterFamily = family{
		noun: "DBCluster", snapshot: "DBClusterSnapshot", arn: "cluster", snapshotARN: "cluster-snapshot", fault: "Fault",
		from: "SnapshotIdentifier", source: "SourceDBClusterIdentifier", to: "DBClusterIdentifier", when: "RestoreToTime", resource: "DbClusterResourceId", status: "Status",
	}
)

// dbs and snaps are what a place has of the family.
func (f family) dbs(s *state) map[string]*database {
	if f.noun == clusterFamily.noun {
		return s.clusters
	}
	return s.dbs
}

func (f family) snaps(s *state) map[string]*dbSnapshot {
	if f.noun == clusterFamily.noun {
		return s.clusterSnaps
	}
	return s.dbSnaps
}

func (f family) databaseARN(p place, id string) string {
	return "arn:aws:rds:" + p.region + ":" + p.account + ":" + f.arn + ":" + id
}

func (f family) dbSnapshotARN(p place, id string) string {
	return "arn:aws:rds:" + p.region + ":" + p.account + ":" + f.snapshotARN + ":" + id
}

func (f family) missing(id string) *failure {
	return fail(f.noun+"NotFound"+f.fault, "%s %s not found.", f.noun, id)
}

func (f family) missingSnapshot(id string) *failure {
	return fail(f.snapshot+"NotFound"+f.fault, "%s %s not found", f.snapshot, id)
}

// NewDatabase makes an instance that keeps its past for a number of days.
func (w *World) NewDatabase(id string, retention int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.home().dbs[id] = &database{ID: id, Resource: w.id("db"), Retention: retention, Tags: tags{}, class: "db.t4g.medium"}
}

// NewCluster makes a cluster of Aurora with one member.
func (w *World) NewCluster(id string, retention int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.home().clusters[id] = &database{ID: id, Resource: w.id("cluster"), Retention: retention, Tags: tags{}}
	w.home().dbs[id+"-1"] = &database{ID: id + "-1", Cluster: id, Resource: w.id("db"), Tags: tags{}, class: "db.r7g.large"}
}

// Follow lets a database hold what a file does, as of each call.
func (w *World) Follow(id, path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.named(id).follows = path
}

// follow reads the files that databases follow. The lock is held.
func (w *World) follow() {
	for _, all := range []map[string]*database{w.home().dbs, w.home().clusters} {
		for _, d := range all {
			if d.follows == "" {
				continue
			}
			text, err := os.ReadFile(d.follows)
			if err == nil && (len(d.history) == 0 || d.history[len(d.history)-1].text != string(text)) {
				d.history = append(d.history, change{w.now(), string(text)})
			}
			if most := 500; len(d.history) > most {
				d.history = d.history[len(d.history)-most:]
			}
		}
	}
}

// named is a database of any family, nil for none. The lock is held.
func (w *World) named(id string) *database {
	if d := w.home().clusters[id]; d != nil {
		return d
	}
	return w.home().dbs[id]
}

// Write changes what a database holds.
func (w *World) Write(id, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.named(id)
	d.history = append(d.history, change{w.now(), text})
}

// Read is what a database holds now, "" for one that is not there.
func (w *World) Read(id string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d := w.named(id); d != nil {
		return d.at(w.now())
	}
	return ""
}

// Drop deletes a database with its members, as somebody else does.
func (w *World) Drop(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.members(place{Account, Region}, id) {
		delete(w.home().dbs, m.ID)
	}
	delete(w.home().clusters, id)
	delete(w.home().dbs, id)
}

// Class is that of an instance.
func (w *World) Class(id string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d := w.named(id); d != nil {
		return d.class
	}
	return ""
}

// Groups are those with which a database was made.
func (w *World) Groups(id string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d := w.named(id); d != nil {
		return d.groups
	}
	return ""
}

// Databases are the names of all, clusters among them, and of all snapshots of them.
func (w *World) Databases() (databases, snapshots []string) { return w.DatabasesIn(Account, Region) }

// DatabasesIn are those of a place.
func (w *World) DatabasesIn(account, region string) (databases, snapshots []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	in := w.at(place{account, region})
	for _, f := range []family{instanceFamily, clusterFamily} {
		databases = slices.AppendSeq(databases, maps.Keys(f.dbs(in)))
		snapshots = slices.AppendSeq(snapshots, maps.Keys(f.snaps(in)))
	}
	slices.Sort(databases)
	slices.Sort(snapshots)
	return databases, snapshots
}

// Shared are the snapshots of all places that another account may use.
func (w *World) Shared() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, in := range w.places {
		for _, s := range in.snapshots {
			if len(s.shared) > 0 {
				out = append(out, s.ID)
			}
		}
		for _, f := range []family{instanceFamily, clusterFamily} {
			for _, s := range f.snaps(in) {
				if len(s.shared) > 0 {
					out = append(out, s.ID)
				}
			}
		}
	}
	return out
}

func (w *World) databaseXML(f family, p place, d *database) elements {
	now := w.now()
	out := elements{
		el(f.noun+"Identifier", d.ID), el(f.noun+"Arn", f.databaseARN(p, d.ID)), el(f.resource, d.Resource), el(f.status, d.status(now)),
		el("Engine", "postgres"), el("EngineVersion", "16.4"), el("BackupRetentionPeriod", d.Retention), el("MultiAZ", false),
		el("TagList", d.Tags.xml("Tag")),
	}
	if f.noun == clusterFamily.noun {
		members := all("DBClusterMember", w.members(p, d.ID), func(m *database) elements { return elements{el("DBInstanceIdentifier", m.ID)} })
		out = append(out, el("DBClusterMembers", members), el("Endpoint", d.ID+".cluster.rds.example.com"), el("Port", 5432))
	} else {
		out = append(out, el("DBInstanceClass", d.class))
		if d.status(now) == "available" {
			out = append(out, el("Endpoint", elements{el("Address", d.ID+".rds.example.com"), el("Port", 5432)}))
		}
	}
	if d.Retention > 0 {
		out = append(out, el("LatestRestorableTime", now.Truncate(arrears)))
	}
	return out
}

// members are the instances of a cluster.
func (w *World) members(p place, cluster string) []*database {
	var out []*database
	for _, id := range slices.Sorted(maps.Keys(w.at(p).dbs)) {
		if m := w.at(p).dbs[id]; m.Cluster == cluster {
			out = append(out, m)
		}
	}
	return out
}

func (w *World) describeDatabases(f family) func(call) (elements, *failure) {
	return func(c call) (elements, *failure) {
		id := c.Get(f.noun + "Identifier")
		d := f.dbs(c.state)[id]
		if d == nil {
			return nil, f.missing(id)
		}
		out := elements{el(f.noun+"s", elements{el(f.noun, w.databaseXML(f, c.place, d))})}
		if d.status(w.now()) == "available" {
			w.offset += w.leap
		} else {
			w.offset += step
		}
		return out, nil
	}
}

// tagged are the tags of an ARN.
func (c call) tagged() (tags, *failure) {
	for _, f := range []family{instanceFamily, clusterFamily} {
		for _, d := range f.dbs(c.state) {
			if f.databaseARN(c.place, d.ID) == c.Get("ResourceName") {
				return d.Tags, nil
			}
		}
		for _, s := range f.snaps(c.state) {
			if f.dbSnapshotARN(c.place, s.ID) == c.Get("ResourceName") {
				return s.Tags, nil
			}
		}
	}
	return nil, instanceFamily.missing(c.Get("ResourceName"))
}

func (w *World) tagDatabase(c call) (elements, *failure) {
	t, err := c.tagged()
	if err != nil {
		return nil, err
	}
	both := maps.Clone(t)
	maps.Copy(both, c.tagList("Tags.Tag"))
	if len(both) > mostTags {
		return nil, fail("InvalidParameterValue", "a resource has at most %d tags", mostTags)
	}
	maps.Copy(t, both)
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

func (w *World) restoreDatabase(f family) func(call) (elements, *failure) {
	return func(c call) (elements, *failure) {
		s := f.snaps(c.state)[c.Get(f.from)]
		if s == nil || s.status(w.now()) != "available" {
			return nil, fail("Invalid"+f.snapshot+"State"+f.fault, "%s is not available", c.Get(f.from))
		}
		return w.madeDatabase(f, c, c.Get(f.noun+"Identifier"), s.Text)
	}
}

func (w *World) restoreDatabaseAt(f family) func(call) (elements, *failure) {
	return func(c call) (elements, *failure) {
		d := f.dbs(c.state)[c.Get(f.source)]
		if d == nil {
			return nil, f.missing(c.Get(f.source))
		}
		at, err := time.Parse(time.RFC3339, c.Get(f.when))
		if err != nil || at.After(w.now().Truncate(arrears)) || at.Before(w.now().AddDate(0, 0, -d.Retention)) {
			return nil, fail("InvalidParameterValue", "The specified instance cannot be restored to a time later than its latest restorable time, or before its earliest: %s", c.Get(f.when))
		}
		return w.madeDatabase(f, c, c.Get(f.to), d.at(at))
	}
}

func (w *World) madeDatabase(f family, c call, id, text string) (elements, *failure) {
	if f.dbs(c.state)[id] != nil {
		return nil, fail(f.noun+"AlreadyExists"+f.fault, "%s already exists", f.noun)
	}
	d := &database{ID: id, Resource: w.id("db"), Retention: 1, Tags: c.tagList("Tags.Tag"), class: c.Get("DBInstanceClass"), busy: "creating", ready: w.now().Add(w.takes)}
	d.groups = strings.Join(append([]string{cmp.Or(c.Get("DBParameterGroupName"), c.Get("DBClusterParameterGroupName")), c.Get("DBSubnetGroupName")}, c.list("VpcSecurityGroupIds.VpcSecurityGroupId")...), " ")
	d.history = []change{{w.now(), text}}
	f.dbs(c.state)[id] = d
	return elements{el(f.noun, w.databaseXML(f, c.place, d))}, nil
}

// createMember makes an instance of a cluster; others the tests make.
func (w *World) createMember(c call) (elements, *failure) {
	id, cluster := c.Get("DBInstanceIdentifier"), c.Get("DBClusterIdentifier")
	switch {
	case c.state.clusters[cluster] == nil:
		return nil, clusterFamily.missing(cluster)
	case c.state.dbs[id] != nil:
		return nil, fail("DBInstanceAlreadyExists", "DB instance already exists")
	case c.Get("DBInstanceClass") == "":
		return nil, fail("InvalidParameterValue", "a class is needed")
	}
	d := &database{ID: id, Cluster: cluster, Resource: w.id("db"), Tags: c.tagList("Tags.Tag"), class: c.Get("DBInstanceClass"), busy: "creating", ready: w.now().Add(w.takes)}
	c.state.dbs[id] = d
	return elements{el("DBInstance", w.databaseXML(instanceFamily, c.place, d))}, nil
}

// deleteDatabase refuses a cluster that has members.
func (w *World) deleteDatabase(f family) func(call) (elements, *failure) {
	return func(c call) (elements, *failure) {
		d := f.dbs(c.state)[c.Get(f.noun+"Identifier")]
		if d == nil {
			return nil, f.missing(c.Get(f.noun + "Identifier"))
		}
		if f.noun == clusterFamily.noun && len(w.members(c.place, d.ID)) > 0 {
			return nil, fail("InvalidDBClusterStateFault", "Cluster cannot be deleted, it still contains DB instances in non-deleting state.")
		}
		delete(f.dbs(c.state), d.ID)
		return elements{el(f.noun, w.databaseXML(f, c.place, d))}, nil
	}
}

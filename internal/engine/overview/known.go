package overview

import (
	"maps"
	"slices"
	"time"

	"bkp/internal/records/catalog"
	"bkp/internal/records/retention"
	"bkp/providers"
)

// Known is all that an instance's overview is made of.
type Known struct {
	Name, URL string
	Now       time.Time
	// Backups are those of the instance on the list, the newest first.
	Backups []catalog.Entry
	// Drills are the last of each backup, Proven the last that proved one.
	Drills      map[providers.BackupID]catalog.Drill
	Proven      *catalog.Drill
	MaxProofAge time.Duration
	// Last are the last runs by their kind.
	Last        map[string]catalog.Run
	MayBeLocked bool
	Shelves     []Shelf
	// HomeOn identifies the file system of the home, "" if it is not known.
	HomeOn string
	// Unread is what could not be read of the records, a sentence each.
	Unread []string
}

// Shelf is an archive that may hold backups.
type Shelf struct {
	Address, Strategy, Destination string
	Place                          Place
	// On identifies the storage: equal for two archives on the same one.
	On        string
	Protected bool
	// Retention is the address of what prunes it, "" if nothing does.
	Retention string
	Policy    retention.Policy
	// Items are its backups as its retention sees them.
	Items []retention.Item
}

// Of is the overview. The error is for a retention whose time zone this system does
// not know.
func Of(k Known) (Instance, error) {
	out := Instance{Name: k.Name, URL: k.URL, MaxProofAge: k.MaxProofAge, Backups: []Backup{}, Archives: []Archive{}, Runs: k.runs()}
	for _, e := range k.Backups {
		out.Backups = append(out.Backups, k.backup(e))
	}
	if newest, ok := k.newest(); ok {
		out.Window, out.Components = newest.Manifest.WindowParts(), k.components(newest)
	}
	for _, s := range k.Shelves {
		out.Archives = append(out.Archives, k.archive(s))
		if s.Retention == "" {
			continue
		}
		kept, err := k.kept(s)
		if err != nil {
			return out, err
		}
		out.Kept = append(out.Kept, kept)
	}
	if d := k.Proven; d != nil {
		out.Proof = &Proof{Backup: string(d.Backup), At: d.At, Took: d.Duration, Archive: d.Archive, Repositories: d.Checked}
	}
	out.Rules = k.rules()
	out.Attention = k.attention(out)
	return out, nil
}

// newest is the newest complete backup.
func (k Known) newest() (catalog.Entry, bool) {
	i := slices.IndexFunc(k.Backups, complete)
	if i < 0 {
		return catalog.Entry{}, false
	}
	return k.Backups[i], true
}

func complete(e catalog.Entry) bool { return e.Status == catalog.Complete }

func (k Known) backup(e catalog.Entry) Backup {
	m := e.Manifest
	out := Backup{ID: string(m.ID), Created: m.Created, Window: m.LockWindow, Skew: m.Skew, Status: string(e.Status)}
	for _, a := range m.Artifacts {
		p, _ := m.Part(a.Address)
		out.Bytes += p.Bytes
	}
	for _, st := range m.Stored {
		out.Stored = max(out.Stored, st.Size())
	}
	for _, d := range e.Damaged {
		out.Damaged = append(out.Damaged, d.Archive)
	}
	if d, ok := k.Drills[m.ID]; ok {
		out.Proven, out.Failed = d.Proven, !d.Proven && len(d.Differences) > 0
	}
	return out
}

// components are the parts of a backup, beside those of the complete one before it.
func (k Known) components(newest catalog.Entry) []Component {
	var before catalog.Entry
	for _, e := range k.Backups {
		if complete(e) && e.Manifest.ID != newest.Manifest.ID {
			before = e
			break
		}
	}
	var out []Component
	for _, a := range newest.Manifest.Artifacts {
		c := Component{Address: a.Address, Strategy: a.Strategy, PointInTime: a.PointInTime, Changed: a.Change, Repositories: a.Repositories}
		if p, ok := newest.Manifest.Part(a.Address); ok {
			c.Files, c.Bytes = p.Files, p.Bytes
			if b, ok := before.Manifest.Part(a.Address); ok {
				c.Before = &b.Bytes
			}
		}
		out = append(out, c)
	}
	return out
}

func (k Known) archive(s Shelf) Archive {
	out := Archive{Address: s.Address, Strategy: s.Strategy, Destination: s.Destination, Place: s.Place, Protected: s.Protected, HasNewest: k.holdsNewest(s)}
	for _, e := range k.Backups {
		st, ok := e.Manifest.In(s.Address)
		if !ok {
			continue
		}
		out.Backups++
		out.Bytes += st.Size()
		if created := e.Manifest.Created; out.Newest == nil || created.After(*out.Newest) {
			out.Newest = &created
		}
	}
	return out
}

// holdsNewest reports whether an archive has the newest complete backup, whole.
func (k Known) holdsNewest(s Shelf) bool {
	e, ok := k.newest()
	if !ok {
		return false
	}
	st, ok := e.Manifest.In(s.Address)
	return ok && st.Keeps() && !e.DamagedIn(s.Address)
}

// lookAhead is how far kept-until is worked out.
const lookAhead = 5 * 366 * 24 * time.Hour

func (k Known) kept(s Shelf) (Kept, error) {
	out := Kept{Archive: s.Address, Retention: s.Retention, Rules: s.Policy.String(), Backups: []KeptBackup{}, Every: retention.Interval(s.Items)}
	decisions, err := retention.Decide(s.Policy, s.Items, k.Now)
	if err != nil {
		return out, err
	}
	ahead, err := retention.Look(s.Policy, s.Items, k.Now, out.Every, lookAhead)
	if err != nil {
		return out, err
	}
	for _, d := range decisions {
		b := KeptBackup{ID: d.ID, Created: d.Time, Keep: d.Keep, Reasons: d.Reasons}
		if d.Small != "" {
			b.Reasons = append(slices.Clone(d.Reasons), "does not count: "+d.Small)
		}
		if until, ok := ahead.Until[d.ID]; ok && d.Keep {
			b.Until = &until
		}
		out.Backups = append(out.Backups, b)
	}
	return out, nil
}

func (k Known) runs() []Run {
	out := []Run{}
	for _, kind := range slices.Sorted(maps.Keys(k.Last)) {
		r := k.Last[kind]
		out = append(out, Run{Operation: kind, Ended: r.Ended, Took: r.Ended.Sub(r.Began), Succeeded: r.Succeeded, Error: r.Error, Warnings: r.Warnings})
	}
	return out
}

package report_test

import (
	"fmt"
	"time"

	"bkp/internal/engine/overview"
	"bkp/providers"
)

// hostile is what a name must not do to the page.
const hostile = `<script>document.title="taken"</script><img src=x onerror=alert(1)>"'&`

// now is when the pages of the tests are made.
var now = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// example has all that a page can have: a fleet of a good instance with a long
// history, of one in trouble, whose texts are hostile, and of a new one.
func example() overview.Page {
	return overview.Page{
		Made: now, Tool: "1.0.0", Host: "backup1", Folder: "/etc/bkp",
		Instances: []overview.Instance{good(), troubled(), {Name: "new", URL: "https://new.example.com", Attention: []overview.Remark{{Urgency: overview.Now, Text: "No backup is complete."}}}},
	}
}

func backups(instance string, n int) []overview.Backup {
	var out []overview.Backup
	for i := range n {
		at := now.Add(-time.Duration(i)*24*time.Hour - 6*time.Hour)
		out = append(out, overview.Backup{
			ID: string(providers.NewBackupID(instance, at)), Created: at, Window: time.Duration(380+37*(i*i%7)+i%3*45) * time.Millisecond,
			Bytes: 214e9 - int64(i)*3e8, Stored: 97e9 - int64(i)*1e8, Status: "complete", Proven: i == 3,
		})
	}
	return out
}

func good() overview.Instance {
	all := backups("prod", 45)
	before, repositories := int64(212e9), 4812
	until := now.Add(9 * 24 * time.Hour)
	out := overview.Instance{
		Name: "prod", URL: "https://bitbucket.example.com", Backups: all, MaxProofAge: 30 * 24 * time.Hour,
		Window: []providers.WindowPart{
			{Name: "lock", Took: 31 * time.Millisecond}, {Name: "drain", Took: 104 * time.Millisecond}, {Name: "capture home.mirror.shared", Took: 171 * time.Millisecond},
			{Name: "capture database.postgresql.main", Took: 22 * time.Millisecond}, {Name: "drained_to_complete", Took: 188 * time.Millisecond},
			{Name: "complete", Took: 28 * time.Millisecond}, {Name: "unlock", Took: 24 * time.Millisecond},
		},
		Components: []overview.Component{
			{Address: "home.mirror.shared", Strategy: `home "mirror"`, PointInTime: all[0].Created, Files: 5_214_880, Bytes: 214e9, Before: &before, Changed: &providers.Change{Files: 41, Bytes: 1_820_000}, Repositories: &repositories},
			{Address: "database.postgresql.main", Strategy: `database "postgresql"`, PointInTime: all[0].Created, Files: 812, Bytes: 3_100_000_000},
		},
		Archives: []overview.Archive{
			{Address: "archive.tar.local", Place: overview.Here, Destination: "/backup/bitbucket", Backups: 45, Bytes: 4_200e9, Newest: &all[0].Created, HasNewest: true},
			{Address: "archive.tar.bucket", Place: overview.Service, Destination: "s3://backups-of-bitbucket/prod/with/a/long/prefix", Protected: true, Backups: 30, Bytes: 2_900e9, Newest: &all[0].Created, HasNewest: true},
		},
		Rules: []overview.Rule{
			{Text: "three copies, the live data counted as one", Met: true, Found: "3"}, {Text: "on two storages", Met: true, Found: "3 known here"},
			{Text: "one away from this machine", Met: true, Found: "archive.tar.bucket"}, {Text: "one that nobody can delete from this machine", Met: true, Found: "archive.tar.bucket"},
		},
		Proof: &overview.Proof{Backup: all[3].ID, At: now.Add(-60 * time.Hour), Took: 51 * time.Minute, Archive: "archive.tar.bucket", Repositories: 4812},
		Runs: []overview.Run{
			{Operation: "backup", Ended: all[0].Created.Add(8 * time.Minute), Took: 8 * time.Minute, Succeeded: true},
			{Operation: "drill", Ended: now.Add(-59 * time.Hour), Took: 51 * time.Minute, Succeeded: true},
		},
	}
	kept := overview.Kept{Archive: "archive.tar.local", Retention: "retention.standard", Rules: "last 7, daily 30, monthly 12", Every: 24 * time.Hour}
	for i, b := range all {
		k := overview.KeptBackup{ID: b.ID, Created: b.Created, Keep: i < 40, Reasons: []string{fmt.Sprintf("daily %d", i+1)}}
		if i > 5 {
			k.Until = &until
		}
		kept.Backups = append(kept.Backups, k)
	}
	out.Kept = []overview.Kept{kept}
	return out
}

func troubled() overview.Instance {
	all := backups("staging", 9)
	all[0].Status, all[1].Damaged, all[2].Failed = "captured", []string{"archive.tar.local"}, true
	all[4].Window = 41 * time.Second
	return overview.Instance{
		Name: "staging", URL: "https://staging.example.com/" + hostile, Backups: all,
		Attention: []overview.Remark{
			{Urgency: overview.Now, Text: "A run may have left the instance locked: users may be unable to work. Unlock it: bkp unlock"},
			{Urgency: overview.Now, Text: "The last backup failed: " + hostile + " /a/very/long/path/without/any/space/in/it/that/has/to/be/broken/somewhere/or/the/page/gets/too/wide"},
			{Urgency: overview.Soon, Text: "No restore was proven yet: bkp verify --drill latest:staging"},
		},
		Window:   []providers.WindowPart{{Name: "lock", Took: time.Millisecond}, {Name: "drain", Took: 40 * time.Second}, {Name: hostile, Took: time.Second}},
		Archives: []overview.Archive{{Address: "archive.tar.local", Place: overview.Unknown}},
		Rules:    []overview.Rule{{Text: "three copies, the live data counted as one", Found: "2"}, {Text: "one away from this machine", Found: "none"}},
		Runs:     []overview.Run{{Operation: "backup", Ended: now, Took: time.Minute, Error: hostile}},
	}
}

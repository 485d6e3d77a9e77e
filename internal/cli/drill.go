package cli

import (
	"fmt"
	"time"

	"bkp/internal/records/catalog"
	"bkp/internal/ui/text"
)

// unproven is the verdict on a drill that found nothing wrong and was unlike a
// restore.
func unproven(d catalog.Drill) string {
	if d.Database == catalog.DatabaseNotRestored {
		return "not restored, and not proven"
	}
	return "restored, but not proven"
}

func drillSummary(d catalog.Drill) string {
	verdict := "proven: it was restored in " + text.Duration(d.Duration)
	switch {
	case len(d.Differences) > 0:
		verdict = "not proven, after " + text.Duration(d.Duration)
	case len(d.NotImitated) > 0:
		verdict = unproven(d) + ", after " + text.Duration(d.Duration)
	case d.Proven && d.Database == catalog.DatabaseInHome:
		verdict = "proven, but for the content of its database: it was restored in " + text.Duration(d.Duration)
	case !d.Proven:
		verdict = "not proven as a whole, but what was restored in " + text.Duration(d.Duration) + " is good"
	}
	return fmt.Sprintf("drill of %s: %s; %s", d.Backup, verdict, drillDetails(d))
}

// drillDetails describes what was checked.
func drillDetails(d catalog.Drill) string {
	about := map[catalog.DrilledDatabase]string{
		catalog.DatabaseRestored:    fmt.Sprintf("the database was restored and names %d", d.Named),
		catalog.DatabaseNotRestored: "the restore did not finish",
		catalog.DatabaseInHome:      "the embedded database was restored with the home, and not read: only Bitbucket can",
		catalog.DatabaseNone:        "the backup has no database to compare them with",
		catalog.DatabaseLeftOut:     "the database was left out",
	}[d.Database]
	if d.Replicas > 0 {
		return fmt.Sprintf("git read %d copies of %d repositories, of which Mesh nodes have %d; %s", d.Checked, d.Repositories, d.Replicas, about)
	}
	return fmt.Sprintf("git read %d of %d repositories; %s", d.Checked, d.Repositories, about)
}

// drillWord is a drill in a column of a table.
func drillWord(d *catalog.Drill) string {
	switch {
	case d == nil:
		return "-"
	case d.Proven && d.Database == catalog.DatabaseInHome:
		return "home proven " + d.At.Local().Format(time.DateOnly)
	case d.Proven:
		return "proven " + d.At.Local().Format(time.DateOnly)
	case len(d.Differences) == 0 && len(d.NotImitated) > 0:
		return "not proven " + d.At.Local().Format(time.DateOnly)
	default:
		return "failed " + d.At.Local().Format(time.DateOnly)
	}
}

package engine

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"bkp/internal/event"
	"bkp/internal/records/running"
)

// Describe is one line about what holds the state folder.
func Describe(r running.Record) string {
	out := fmt.Sprintf("bkp %s, process %d on %s, since %s", r.Command, r.PID, r.Host, r.Started.Local().Format(time.DateTime))
	for _, run := range r.Runs {
		out += "; " + describeRun(run)
	}
	return out
}

func describeRun(run running.Run) string {
	if run.Step == nil {
		return run.Backup
	}
	s := *run.Step
	out := fmt.Sprintf("%s: %s for %s", run.Backup, strings.TrimSpace(s.Address+" "+s.Phase), event.Duration(time.Since(s.Started).Round(time.Second)))
	if done := progressOf(s); done != "" {
		out += ", " + done
	}
	if s.Locked {
		out += ", users are locked out"
	}
	return out
}

// progressOf says how much of a step is done, and of how much.
func progressOf(s running.Step) string {
	var out []string
	if s.Files > 0 {
		of := ""
		if s.TotalFiles > 0 {
			of = " of " + humanize.Comma(s.TotalFiles)
		}
		out = append(out, humanize.Comma(s.Files)+of+" files")
	}
	if s.Bytes > 0 {
		of := ""
		if s.TotalBytes > 0 {
			of = " of " + humanize.Bytes(uint64(s.TotalBytes))
		}
		out = append(out, humanize.Bytes(uint64(s.Bytes))+of)
	}
	return strings.Join(out, ", ")
}

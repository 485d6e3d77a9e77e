package engine

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"bkp/internal/event"
	"bkp/internal/records/running"
)

// Describe is one line about a run that is in progress.
func Describe(r running.Record) string {
	out := "bkp " + r.Command
	if r.Backup != "" {
		out += " of " + r.Backup
	}
	out += fmt.Sprintf(", process %d on %s, since %s", r.PID, r.Host, r.Started.Local().Format(time.DateTime))
	if r.Step == nil {
		return out
	}
	out += "; " + strings.TrimSpace(r.Step.Address+" "+r.Step.Phase) + " for " + event.Duration(time.Since(r.Step.Started).Round(time.Second))
	if done := progressOf(*r.Step); done != "" {
		out += ", " + done
	}
	if r.Step.Locked {
		out += "; users are locked out"
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

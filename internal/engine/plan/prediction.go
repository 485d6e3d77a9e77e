package plan

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
)

// String returns the prediction in one line.
func (p Prediction) String() string {
	if p.Runs == 0 {
		return "unknown (no previous runs)"
	}
	text := rounded(p.Expected)
	if p.Runs == 1 {
		text += ", as in the last run"
	} else {
		text += fmt.Sprintf(", from %s to %s in the last %d runs", rounded(p.Low), rounded(p.High), p.Runs)
	}
	if p.FilesPerMinute > 0 {
		text += fmt.Sprintf("; about %s files", humanize.Comma(int64(p.FilesPerMinute+0.5)))
		if p.BytesPerMinute > 0 {
			text += fmt.Sprintf(" (%s)", humanize.Bytes(uint64(p.BytesPerMinute)))
		}
		text += " change a minute"
	}
	return text
}

func rounded(d Duration) string {
	step := time.Millisecond
	if time.Duration(d) > 10*time.Second {
		step = 100 * time.Millisecond
	}
	return time.Duration(d).Round(step).String()
}

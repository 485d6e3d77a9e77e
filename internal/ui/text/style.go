package text

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/pterm/pterm"

	"bkp/internal/event"
)

// Style paints words, or leaves them plain.
type Style struct{ Color bool }

func (s Style) paint(c pterm.Color, text string) string {
	if !s.Color {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", c, text)
}

// Bold is for headings.
func (s Style) Bold(text string) string { return s.paint(pterm.Bold, text) }

// Red is for errors and for the boundary of the lock.
func (s Style) Red(text string) string { return s.paint(pterm.FgRed, text) }

// Yellow is for warnings.
func (s Style) Yellow(text string) string { return s.paint(pterm.FgYellow, text) }

// Green is for what went well.
func (s Style) Green(text string) string { return s.paint(pterm.FgGreen, text) }

// Faint is for what may be overlooked.
func (s Style) Faint(text string) string { return s.paint(pterm.FgGray, text) }

// Bytes writes a size for a person.
func Bytes(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

// Count writes a number for a person.
func Count(n int64) string { return humanize.Comma(n) }

// Duration writes a duration with as many digits as it deserves.
func Duration(d time.Duration) string { return event.Duration(d) }

// wrap breaks text at spaces; every line after the first gets the indent.
// A line that is indented already is a command to copy and stays whole.
func wrap(text string, width, indent int) string {
	var out []string
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, " ") || width <= indent+20 {
			out = append(out, line)
			continue
		}
		current := ""
		for _, word := range strings.Fields(line) {
			if current != "" && len([]rune(current))+1+len([]rune(word)) > width-indent {
				out = append(out, current)
				current = ""
			}
			if current != "" {
				current += " "
			}
			current += word
		}
		out = append(out, current)
	}
	return strings.Join(out, "\n"+strings.Repeat(" ", indent))
}

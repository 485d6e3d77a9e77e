package notify

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"bkp/providers"
)

// Text is a notice as plain text without its summary: its story and the facts.
func Text(n providers.Notice) string {
	var b strings.Builder
	if story := Story(n); story != "" {
		b.WriteString(story + "\n\n")
	}
	for _, f := range Facts(n) {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
	}
	return b.String()
}

// Story is what happened, what to do, and what was warned of.
func Story(n providers.Notice) string {
	remedy := n.Remedy
	if remedy != "" {
		remedy = "What to do: " + remedy
	}
	var out []string
	for _, text := range []string{n.Detail, remedy, list("Warnings:", n.Warnings), list("Known before the run:", n.Standing)} {
		if text = strings.TrimSpace(text); text != "" {
			out = append(out, text)
		}
	}
	return strings.Join(out, "\n\n")
}

// Fact is a line of a notice.
type Fact struct{ Name, Value string }

// Facts are what is known of the run, for a table.
func Facts(n providers.Notice) []Fact {
	facts := []Fact{{"Instance", strings.TrimSpace(n.Instance + " " + n.URL)}}
	add := func(name, value string) {
		if value != "" {
			facts = append(facts, Fact{name, value})
		}
	}
	add("Backup", n.Run)
	if n.LockWindow > 0 {
		add("Users were locked out for", round(n.LockWindow))
	}
	if n.Took > 0 {
		add("The run took", round(n.Took))
	}
	add("Stored in", strings.Join(n.Stored, ", "))
	if n.Bytes > 0 {
		add("Stored size", humanize.Bytes(uint64(n.Bytes)))
	}
	add("Removed by retention", strings.Join(n.Removed, ", "))
	add("Report", n.Report)
	add("Machine", n.Host)
	add("Time", n.At.Format(time.RFC1123Z))
	return facts
}

func round(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

func list(title string, lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return title + "\n- " + strings.Join(lines, "\n- ")
}

// Shorten cuts a text to at most n bytes, between characters, and says so.
func Shorten(text string, n int) string {
	const cut = " … (shortened)"
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:max(n-len(cut), 0)], "") + cut
}

package markdown

import (
	"regexp"
	"strings"
)

// special are the characters that mean something inside a line, and atStart
// those that do at its start. A backslash takes the meaning from each.
const (
	special = "\\`*_[]<>|~&$"
	atStart = "#+-="
)

// numbered is how an ordered list begins.
var numbered = regexp.MustCompile(`^([0-9]{1,9})([.)])( |$)`)

// escape makes text mean itself, on one line.
func escape(text string) string {
	text = oneLine(text)
	var b strings.Builder
	if text != "" && strings.ContainsRune(atStart, rune(text[0])) {
		b.WriteByte('\\')
	}
	for _, r := range numbered.ReplaceAllString(text, "$1\x00$2$3") {
		switch {
		case r == 0: // stands before what would make a number a list
			b.WriteByte('\\')
		case strings.ContainsRune(special, r):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '@':
			// A name behind it would be called to the page.
			b.WriteString("@\u200b")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// code is a span that shows text as it is. Inside of a table a pipe ends the
// cell even there, so it is escaped when cell is set.
func code(text string, cell bool) string {
	text = oneLine(text)
	if text == "" {
		return ""
	}
	if cell {
		text = strings.ReplaceAll(text, "|", `\|`)
	}
	fence := strings.Repeat("`", longestRun(text, '`')+1)
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") {
		text = " " + text + " "
	}
	return fence + text + fence
}

// block is a fenced block of lines, each with the indent before it.
func block(lines []string, indent string) string {
	text := strings.Join(lines, "\n")
	fence := strings.Repeat("`", max(3, longestRun(text, '`')+1))
	var b strings.Builder
	b.WriteString(indent + fence + "\n")
	for _, l := range lines {
		b.WriteString(indent + l + "\n")
	}
	b.WriteString(indent + fence + "\n")
	return b.String()
}

func longestRun(text string, of rune) int {
	longest, run := 0, 0
	for _, r := range text {
		if r != of {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// oneLine also takes out control characters, which could hide what follows.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029':
			return ' '
		case r < ' ' || r == 0x7f || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069':
			return -1
		}
		return r
	}, text)
	return strings.TrimSpace(text)
}

package text

import (
	"bytes"
	"testing"
	"time"

	"bkp/internal/event"
)

func TestWhatOthersWroteIsNoCommandToTheTerminal(t *testing.T) {
	for text, want := range map[string]string{
		"plain ünïcödé\tand\nlines": "plain ünïcödé\tand\nlines",
		"\x1b[31mred\x1b[0m":        "\x1b[31mred\x1b[0m",
		"\x1b[2J\x1b]0;title\a":     `\u001b[2J\u001b]0;title\u0007`,
		"over\rwritten\b":           `over\u000dwritten\u0008`,
		"\u202egnp.exe":             `\u202egnp.exe`,
		"\u009b2J":                  `\u009b2J`,
		"not \xff utf-8":            `not \xff utf-8`,
		"\ufffd":                    "\ufffd",
	} {
		if got := visible(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
	var out bytes.Buffer
	Page{Out: &out, Width: 80}.Failure("it is \x1b[2J", "")
	Page{Out: &out, Width: 80}.Item("it is \x1b[2J", "and \x1b[2J")
	NewRun(&out, Style{}, nil).Emit(event.Event{Time: time.Now(), Kind: event.Note, Message: "it is \x1b[2J"})
	if bytes.ContainsRune(out.Bytes(), '\x1b') {
		t.Errorf("printed: %q", out.String())
	}
}

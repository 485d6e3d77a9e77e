package report_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"bkp/internal/engine/overview"
	"bkp/internal/ui/report"
)

func written(t *testing.T, p overview.Page) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.Write(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestThePageStandsAlone: nothing is loaded, nothing runs, and no text is markup.
func TestThePageStandsAlone(t *testing.T) {
	page := written(t, example())
	for _, found := range regexp.MustCompile(`(?i)<(script|img|link|iframe|object|embed)|[ "']on[a-z]+="?|src=|@import|url\(|https?://[^\s<]*"`).FindAllString(strings.ReplaceAll(page, "&lt;img src=x onerror=alert(1)&gt;", ""), -1) {
		t.Errorf("the page has %q", found)
	}
	if n := strings.Count(page, "&lt;script&gt;document.title"); n != 4 {
		t.Errorf("the hostile text is there %d times", n)
	}
	for _, want := range []string{report.Mark, "default-src 'none'", "prefers-color-scheme: dark", "@media print"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
}

// TestThePageSaysAll in words: each claim can be read without colours.
func TestThePageSaysAll(t *testing.T) {
	page := written(t, example())
	text := regexp.MustCompile(`\s+`).ReplaceAllString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page[strings.Index(page, "<body>"):], " "), " ")
	for _, want := range []string{
		"prod nothing to look at", "staging 2 things to look at now", "new 1 thing to look at now",
		"Last complete backup 6 hours ago prod-20261122T030000Z", "Users were locked out for 380ms",
		"Last proven restore 2 days ago", "A restore took 51m0s",
		"Now A run may have left the instance locked", "Soon No restore was proven yet",
		"Lock windows of 45 backups: 499ms in the middle, 618ms at most.",
		"waiting until git was idle 104ms", "capture of home.mirror.shared 171ms",
		"214 GB in 5,214,880 files, 4,812 repositories &#43;2.0 GB 1.8 MB in 41 files",
		"yes three copies, the live data counted as one (3)", "no one away from this machine (none)",
		"archive.tar.bucket service, cannot be deleted from here",
		"complete, damaged in archive.tar.local", "failed: &lt;script&gt;",
		"keep last 7, daily 30, monthly 12 (retention.standard); foreseen with a backup every 24 hours", "The newest 30 of 45 backups.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// TestThePlotKeepsToItsArea: whatever the windows are, each point lies inside.
func TestThePlotKeepsToItsArea(t *testing.T) {
	p := example()
	p.Instances = p.Instances[1:2]
	page := written(t, p)
	circles := regexp.MustCompile(`<circle cx="([0-9]+)\.[0-9]" cy="([0-9]+)\.[0-9]"`).FindAllStringSubmatch(page, -1)
	if len(circles) != 8 || strings.Count(page, `class="cross"`) != 1 {
		t.Fatalf("%d points", len(circles))
	}
	for _, c := range circles {
		if len(c[1]) > 3 || c[1] < "084" && len(c[1]) == 3 || len(c[2]) == 3 && c[2] > "214" {
			t.Errorf("a point at %v", c[1:])
		}
	}
	for _, want := range []string{">10s<", ">50s<", ">0<"} {
		if !strings.Contains(page, want) {
			t.Errorf("the axis has no %s", want)
		}
	}
}

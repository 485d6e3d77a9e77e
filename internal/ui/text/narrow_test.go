package text_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"bkp/internal/engine/plan"
	"bkp/internal/event"
	"bkp/internal/ui/text"
)

func longest(s string) int {
	n := 0
	for l := range strings.SplitSeq(s, "\n") {
		n = max(n, len([]rune(l)))
	}
	return n
}

func samplePlan() plan.File {
	const inst, home = "instance.prod", "database.postgresql.main"
	start := plan.NewNode(plan.Start, inst, "start the backup task")
	return plan.File{Offline: true, Plans: []plan.Plan{{
		Address: inst, URL: "https://bitbucket.example.com/bitbucket", Version: "9.4.16",
		Before: []plan.Node{plan.NewNode(plan.Prepare, home, `connect to database "bitbucket" on db.example.com, as long as it answers`)},
		Locked: &plan.Locked{Budget: plan.Duration(10 * time.Minute), DrainTimeout: plan.Duration(5 * time.Minute), Nodes: []plan.Node{
			start, plan.NewNode(plan.Capture, home, `export a snapshot of database "bitbucket" to be dumped once users are back`),
		}},
		After:      []plan.Node{plan.NewNode(plan.Store, "archive.tar.local", "write /backup/archives/ID.tar.zst (zstd)")},
		NotChecked: []plan.NotChecked{{Address: inst, What: "that it answers, its version, that the credentials are an administrator's, that it is not locked"}},
	}}}
}

// words are what is left when lines are broken otherwise.
func words(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" \n│┌└─", r) }), " ")
}

func TestPlanFitsANarrowTerminal(t *testing.T) {
	draw := func(width int) string {
		var out bytes.Buffer
		p := text.Page{Out: &out, Width: width}
		p.Plan(samplePlan().Plans[0])
		p.PlanSummary(samplePlan())
		return out.String()
	}
	for _, width := range []int{60, 79, 100, 140} {
		got := draw(width)
		if n := longest(got); n > width {
			t.Errorf("width %d: a line has %d columns\n%s", width, n, got)
		}
		if words(got) != words(draw(0)) {
			t.Errorf("width %d: words are missing\n%s", width, got)
		}
		if !strings.Contains(got, "\n  ┌─ lock: users wait") || !strings.Contains(got, "\n  └─ complete and unlock") {
			t.Errorf("width %d: the boundary is lost\n%s", width, got)
		}
	}
}

func TestTableBecomesRecordsWhereItDoesNotFit(t *testing.T) {
	header := []string{"ID", "CREATED", "ARCHIVES"}
	rows := [][]string{{"prod-20261122T214431Z", "2026-11-22 21:44:31", "archive.tar.local, archive.tar.far"}, {"prod-20261121T214431Z", "2026-11-21 21:44:31", "-"}}
	draw := func(width int) string {
		var out bytes.Buffer
		if err := (text.Page{Out: &out, Width: width}).Table(header, rows); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	wide := "ID                     CREATED              ARCHIVES\n" +
		"prod-20261122T214431Z  2026-11-22 21:44:31  archive.tar.local, archive.tar.far\n" +
		"prod-20261121T214431Z  2026-11-21 21:44:31  -\n"
	narrow := "ID        prod-20261122T214431Z\nCREATED   2026-11-22 21:44:31\nARCHIVES  archive.tar.local,\n          archive.tar.far\n\n" +
		"ID        prod-20261121T214431Z\nCREATED   2026-11-21 21:44:31\nARCHIVES  -\n"
	for width, want := range map[int]string{0: wide, 78: wide, 77: strings.ReplaceAll(narrow, "local,\n          ", "local, "), 40: narrow} {
		if got := draw(width); got != want {
			t.Errorf("width %d:\n%s\nwant\n%s", width, got, want)
		}
	}
}

// screen passes for a terminal: live lines go to nothing else.
type screen struct{ bytes.Buffer }

func (*screen) Fd() uintptr { return 2 }

func TestLiveLinesNeverReachTheEdge(t *testing.T) {
	for _, width := range []int{30, 60, 200} {
		var out screen
		run := text.NewRun(&out, text.Style{}, func() int { return width })
		now := time.Now().Add(-time.Minute)
		run.Emit(event.Event{Kind: event.StepStarted, Time: now, Address: "database.postgresql.main", Phase: "finish", Message: "dump"})
		run.Emit(event.Event{Kind: event.Note, Time: now, Message: strings.Repeat("a long note ", 12)})
		run.Emit(event.Event{Kind: event.StepProgress, Time: now, Address: "database.postgresql.main", Files: 1000, TotalFiles: 3000, Bytes: 5e7, TotalBytes: 1e9})
		run.Emit(event.Event{Kind: event.Warning, Time: now, Message: "slow"})
		run.Close()
		text := out.String()
		if !strings.Contains(text, "1,000 of 3,000 files") {
			t.Errorf("width %d: no figures in %q", width, text)
		}
		for l := range strings.SplitSeq(escapes.ReplaceAllString(text, "\n"), "\n") {
			if n := len([]rune(l)); n > width || strings.Contains(l, "…") && n >= width {
				t.Errorf("width %d: %d columns: %q", width, n, l)
			}
		}
	}
}

// escapes move the cursor or clear a line.
var escapes = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]|\r")

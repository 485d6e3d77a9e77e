package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/yuin/goldmark/ast"
)

// cmdFollow does what a page asks its reader to do, from top to bottom:
//
//	follow docs/quickstart.md FROM=>TO...
//
// A block in hcl or sh whose info string has file=PATH is written to that file.
// Any other block in sh is run as it is. A block in console has commands after
// "$ ", with a "\" at the end of a line that goes on, each followed by what it
// prints. That is compared once the values of a run, such as times and sizes, are
// taken out of both; a line "..." stands for any lines, and a command that shows
// nothing is not compared. Blocks marked norun are for reading, and those marked
// only=NAME for scripts that say only=NAME, too.
//
// FROM=>TO leads what a page names, such as a folder of the system, to what the
// script has instead. The ids of backups in a page stand for the newest backup.
//
// With UPDATE_SCRIPTS set, what is printed now takes the place of what is shown
// unless "..." stands within it.
func cmdFollow(ts *testscript.TestScript, neg bool, args []string) {
	path := filepath.Join(repository, args[0])
	source, err := os.ReadFile(path)
	ts.Check(err)
	f := &follower{ts: ts, page: args[0], shownID: backupID.FindString(string(source)), id: ts.Getenv("ID")}
	for _, arg := range args[1:] {
		if strings.HasPrefix(arg, "only=") {
			f.only = arg
			continue
		}
		from, to, ok := strings.Cut(strings.ReplaceAll(arg, `\n`, "\n"), "=>")
		if !ok {
			ts.Fatalf("follow PAGE FROM=>TO...")
		}
		f.instead = append(f.instead, [2]string{from, to})
	}
	_ = os.Remove(ts.Getenv("WORK") + "/.follow") // another shell for another page
	written, end := "", 0
	_ = ast.Walk(parse(source), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		block, ok := n.(*ast.FencedCodeBlock)
		if !ok || !entering || block.Info == nil {
			return ast.WalkContinue, nil
		}
		content := string(block.Lines().Value(source))
		updated := f.block(strings.Fields(string(block.Info.Segment.Value(source))), content)
		if updated == content {
			return ast.WalkContinue, nil
		}
		start := block.Lines().At(0).Start
		if !strings.HasPrefix(string(source[start:]), content) {
			ts.Fatalf("%s: a block that is indented cannot be updated:\n%s", args[0], content)
		}
		written, end = written+string(source[end:start])+updated, start+len(content)
		return ast.WalkContinue, nil
	})
	if os.Getenv("UPDATE_SCRIPTS") != "" {
		written += string(source[end:])
		if end > 0 && f.shownID != "" && f.id != "" {
			written = strings.ReplaceAll(written, f.shownID, f.id)
		}
		ts.Check(os.WriteFile(path, []byte(written), 0o644))
	}
}

type follower struct {
	ts      *testscript.TestScript
	page    string
	instead [][2]string
	only    string
	// shownID is the id of a backup in the page, id that of the newest backup.
	shownID, id string
}

// block follows one block and returns it with what is printed now.
func (f *follower) block(info []string, content string) string {
	if len(info) == 0 || slices.Contains(info, "norun") {
		return content
	}
	for _, word := range info[1:] {
		if strings.HasPrefix(word, "only=") && word != f.only {
			return content
		}
		if file, ok := strings.CutPrefix(word, "file="); ok {
			file = f.ts.MkAbs(f.here(file))
			f.ts.Check(os.MkdirAll(filepath.Dir(file), 0o700))
			f.ts.Check(os.WriteFile(file, []byte(f.here(content)), 0o600))
			return content
		}
	}
	switch info[0] {
	case "sh":
		f.run(content)
		return content
	case "console":
		return f.session(content)
	default:
		return content
	}
}

// session follows commands and compares what they print.
func (f *follower) session(content string) string {
	const prompt = "\n$ "
	parts := strings.Split("\n"+content, prompt)
	if parts[0] != "" {
		f.ts.Fatalf("%s: a block of the language console begins with \"$ \":\n%s", f.page, content)
	}
	for i, part := range parts[1:] {
		lines := strings.SplitAfter(part, "\n")
		n := 1
		for n < len(lines) && strings.HasSuffix(lines[n-1], "\\\n") {
			n++
		}
		command, shown := strings.Join(lines[:n], ""), strings.Join(lines[n:], "")
		printed := f.run(command)
		body := strings.TrimRight(shown, "\n")
		rewrite := os.Getenv("UPDATE_SCRIPTS") != ""
		// The ids of a page change together, and so must the times beside them.
		if body == "" || shows(body, printed) && (!rewrite || strings.Contains(body, "\n...")) {
			continue
		}
		if !rewrite {
			f.ts.Fatalf("%s shows of `%s`:\n%s\nand it prints, which UPDATE_SCRIPTS=1 writes into the page:\n%s", f.page, strings.TrimSpace(command), shown, printed)
		}
		parts[i+1] = command + update(body, strings.TrimRight(printed, "\n")) + strings.TrimPrefix(shown, body)
	}
	return strings.TrimPrefix(strings.Join(parts, prompt), "\n")
}

// update is what takes the place of what was shown: after "...", as many lines of
// the end as there were.
func update(shown, printed string) string {
	tail, ok := strings.CutPrefix(shown, "...\n")
	if !ok {
		return printed
	}
	lines := strings.Split(printed, "\n")
	return "...\n" + strings.Join(lines[max(0, len(lines)-strings.Count(tail, "\n")-1):], "\n")
}

// here is a page's text with what the script has instead of what the page names.
func (f *follower) here(text string) string {
	for _, r := range f.instead {
		text = strings.ReplaceAll(text, r[0], r[1])
	}
	if f.id != "" {
		text = backupID.ReplaceAllString(text, f.id)
	}
	return text
}

// run runs a command as a reader does, in one shell after the other: folder and
// variables stay. It returns what was printed, in the page's words.
func (f *follower) run(command string) string {
	state := f.ts.Getenv("WORK") + "/.follow"
	err := f.ts.Exec("bash", "-c", `exec 2>&1; STATE='`+state+`'; [ ! -e "$STATE" ] || . "$STATE"; set -e; set -a
`+f.here(command)+`
set +e; { export -p; printf 'cd "%s"\n' "$PWD"; } >"$STATE"`)
	text := f.ts.ReadFile("stdout")
	if err != nil {
		f.ts.Fatalf("%s: %v: %s\n%s", f.page, err, command, text)
	}
	if id := backupID.FindString(text); id != "" {
		f.id = id
	}
	for _, r := range f.instead {
		text = strings.ReplaceAll(text, r[1], r[0])
	}
	return sameDisk.ReplaceAllString(text, "")
}

var (
	backupID = regexp.MustCompile(`\b[a-z]+-\d{8}T\d{6}Z\b`)
	// sameDisk is a warning that a script gets, and no reader with a disk for
	// backups.
	sameDisk = regexp.MustCompile(`Warning: Archive on the disk of the home\n\n(?:  .*\n)+\n(?:.+\n)+\n`)
	// varying is what another run prints in another way.
	varying = []struct {
		is *regexp.Regexp
		as string
	}{
		{backupID, "ID"},
		{regexp.MustCompile(`\bbkp-drill-[\w-]+`), "SCRATCH"},
		{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "DIGEST"},
		{regexp.MustCompile(`\b\d{4}-\d\d-\d\d\b`), "DATE"},
		{regexp.MustCompile(`\b\d\d:\d\d(:\d\d)?\b`), "TIME"},
		{regexp.MustCompile(`\b(\d+m)?[\d.]+(ns|µs|ms|s|m)\b`), "DURATION"},
		{regexp.MustCompile(`\b[\d.]+ [kMG]?B\b`), "SIZE"},
		{regexp.MustCompile(`\d[\d.,]*\d|\d`), "N"},
		// Where changes are not tracked, as for anybody but root.
		{regexp.MustCompile(`check every file, and copy those changed since the live pass; .*`), "copy files changed since the live pass (tracked with fanotify)"},
		{regexp.MustCompile(`[ \t]+`), " "},
	}
)

// shows reports whether a page shows what is printed. Steps that run at the same
// time print in any order, so that lines count and not their order.
func shows(shown, printed string) bool {
	shape := func(text string) []string {
		for _, v := range varying {
			text = v.is.ReplaceAllString(text, v.as)
		}
		var lines []string
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, line)
			}
		}
		slices.Sort(lines)
		return lines
	}
	want, got := shape(shown), shape(printed)
	if !slices.Contains(want, "...") {
		return slices.Equal(want, got)
	}
	for _, line := range want {
		if line != "..." && !slices.Contains(got, line) {
			return false
		}
	}
	return true
}

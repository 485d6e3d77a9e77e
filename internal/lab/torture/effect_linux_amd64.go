package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"bkp/internal/engine/guardian"
	"bkp/internal/lab/torture/trace"
)

// toInstance begins the target of a request.
const toInstance = "instance"

// What differs from run to run in a name.
var (
	anyID     = regexp.MustCompile(`torture-\d{8}T\d{6}Z`)
	anyObject = regexp.MustCompile(`objects/[0-9a-f]{2}(/|$)`)
	anyHex    = regexp.MustCompile(`[0-9a-f]{20,}`)
	anyNumber = regexp.MustCompile(`\d{4,}`)
	anyRsync  = regexp.MustCompile(`/\.([^/]+)\.[A-Za-z0-9]{6}$`)
	anyPack   = regexp.MustCompile(`(data|snapshots|index|packs|locks)/[0-9a-f]{2}(/|$)`)
	anyPart   = regexp.MustCompile(`\.bkp-part-[0-9a-z]+`)
	anyProbe  = regexp.MustCompile(`\.bkp-probe-[0-9a-f]{16}-[A-Z0-9]+`)
	anyUser   = regexp.MustCompile(`user-\d+`)
	anyDrill  = regexp.MustCompile(`^bkp-drill-ID-[A-Z0-9]+`)
	anyServer = regexp.MustCompile(`^DRILL/server/.*`)
	noWord    = regexp.MustCompile(`[^A-Za-z0-9_./:#@-]+`)
)

// classOf names an effect as it is named in every run.
func (c *scene) classOf(e trace.Effect) class {
	tool := e.Tool
	switch {
	case len(e.Args) > 1 && e.Args[1] == guardian.Command:
		tool = "guardian"
	case e.Main:
		tool = "bkp"
	case tool == filepath.Base(c.site.program):
		tool = "bkp-fork" // about to become a tool
	}
	target := noWord.ReplaceAllString(c.target(e), "_")
	if target == "" {
		target = "-"
	}
	return class{tool, e.Call, target}
}

func (c *scene) target(e trace.Effect) string {
	if of := c.archive.target(e); of != "" {
		return of
	}
	switch {
	case e.Target == fmt.Sprintf("tcp:%d", c.port):
		return toInstance + request(e.Data)
	case c.engine != nil && e.Target == fmt.Sprintf("tcp:%d", c.engine.Port()):
		return c.database + c.engine.statement(e.Data)
	case c.besideServer(e.Target) != "":
		return c.besideServer(e.Target)
	case e.Target == "pipe" && bytes.HasPrefix(e.Data, []byte(`{"`)):
		key, _, _ := bytes.Cut(e.Data[2:], []byte(`"`))
		return "pipe:" + string(key)
	case e.Call == "exec": // tools lie elsewhere on other machines
		return filepath.Base(e.Target)
	case e.Target == c.output():
		return "output"
	case strings.HasPrefix(e.Target, filepath.Join(c.stateDir(), "journal")+"/"):
		return "state/journal/ID.jsonl" + record(e.Data)
	case strings.HasPrefix(e.Target, c.scratch()+"/"):
		name := anyDrill.ReplaceAllString(generic(strings.TrimPrefix(e.Target, c.scratch()+"/")), "DRILL")
		return copied(anyServer.ReplaceAllString(name, "DRILL/server"))
	case strings.HasPrefix(e.Target, c.dir+"/"):
		return copied(generic(c.plain(strings.TrimPrefix(e.Target, c.dir+"/"))))
	case c.engine != nil && strings.HasPrefix(e.Target, "tcp:"): // the server of a drill
		return "tcp" + c.engine.statement(e.Data)
	}
	return generic(e.Target)
}

func generic(name string) string {
	name = anyID.ReplaceAllString(name, "ID")
	name = anyPart.ReplaceAllString(name, "PART")
	name = anyObject.ReplaceAllString(name, "objects/#$1")
	name = anyPack.ReplaceAllString(name, "$1/#$2")
	name = anyProbe.ReplaceAllString(name, "PROBE")
	name = anyHex.ReplaceAllString(name, "#")
	name = anyUser.ReplaceAllString(name, "user-#")
	name = anyNumber.ReplaceAllString(name, "#")
	return anyRsync.ReplaceAllString(name, "/.$1.#")
}

// homes are where a home lies, or what becomes one.
var homes = []struct {
	name string
	path *regexp.Regexp
}{
	{"COPY", homeAt(`state/work[/]home\.[a-z]+\.shared/copy/home`)},
	{"STAGE", homeAt(`target/\.bkp-restore-home-ID`)},
	{"TARGET", homeAt(`target/home`)},
	{"DRILL/stage", homeAt(`DRILL/private/\.bkp-restore-home-ID`)},
	{"DRILL/home", homeAt(`DRILL/private/home`)},
}

// homeAt matches what lies in a home, and whether it is not yet whole.
func homeAt(path string) *regexp.Regexp {
	return regexp.MustCompile(`^` + path + `(?:/(.*?))?(/PART|/\.[^/]+\.#)?$`)
}

// copied puts the many files of a home into a few classes.
func copied(name string) string {
	for _, h := range homes {
		if m := h.path.FindStringSubmatch(name); m != nil {
			return h.name + "/" + fileIn(m[1], m[2] != "")
		}
	}
	return name
}

func fileIn(path string, partial bool) string {
	kind := "file"
	switch {
	case strings.Contains(path, "/objects/#"):
		kind = "object"
	case strings.Contains(path, "data/repositories/"):
		kind = "repository"
	case strings.HasSuffix(path, ".db"):
		kind = "database"
	}
	if partial {
		return kind + ".temp"
	}
	return kind
}

// record is the type of a journal's record.
func record(data []byte) string {
	_, rest, ok := bytes.Cut(data, []byte(`"type":"`))
	if !ok {
		return ""
	}
	kind, _, _ := bytes.Cut(rest, []byte(`"`))
	return ":" + string(kind)
}

// request is the method and path of a request, without its query, which may hold
// a token.
func request(data []byte) string {
	words := bytes.Fields(data)
	if len(words) < 2 {
		return ""
	}
	path, _, _ := bytes.Cut(words[1], []byte("?"))
	return fmt.Sprintf(":%s:%s", words[0], path)
}

func (c *scene) output() string { return filepath.Join(c.dir, "output") }

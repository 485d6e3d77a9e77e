package main

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"text/template"
	"time"

	"bkp/internal/cli"
	"bkp/internal/completion"
	"bkp/internal/dist/manual"
)

//go:embed files
var files embed.FS

// item is one file of an archive or a package.
type item struct {
	// path has slashes, and no leading one in an archive.
	path string
	mode os.FileMode
	data []byte
}

// units are those of systemd, by name, for a program at bin.
func units(bin string) ([]item, error) {
	values := map[string]string{"Bin": bin}
	for key, name := range map[string]string{"Service": "service.conf", "Sandbox": "sandbox.conf"} {
		text, err := files.ReadFile("files/" + name)
		if err != nil {
			return nil, err
		}
		values[key] = strings.TrimSpace(string(text))
	}
	all, err := template.ParseFS(files, "files/*.service", "files/*.timer")
	if err != nil {
		return nil, err
	}
	var out []item
	for _, t := range all.Templates() {
		var b bytes.Buffer
		if err := t.Execute(&b, values); err != nil {
			return nil, err
		}
		out = append(out, item{t.Name(), 0o644, b.Bytes()})
	}
	slices.SortFunc(out, byPath)
	return out, nil
}

func byPath(a, b item) int { return strings.Compare(a.path, b.path) }

// completions are the scripts of the shells, each where dirs says.
func completions(paths map[string]string) ([]item, error) {
	var out []item
	for _, shell := range slices.Sorted(maps.Keys(paths)) {
		script, ok := completion.Script(shell)
		if !ok {
			return nil, fmt.Errorf("no completion for %s", shell)
		}
		out = append(out, item{paths[shell], 0o644, []byte(script)})
	}
	return out, nil
}

// manuals are the manual pages in a folder.
func manuals(dir, version string, date time.Time) []item {
	pages := manual.Pages(cli.Describe(), version, date)
	var out []item
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		out = append(out, item{path.Join(dir, name), 0o644, pages[name]})
	}
	return out
}

// zipped is a file that is compressed alone, as manual pages of packages are.
func zipped(i item) (item, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return item{}, err
	}
	if _, err := w.Write(i.data); err != nil {
		return item{}, err
	}
	return item{i.path + ".gz", i.mode, b.Bytes()}, w.Close()
}

// file is one of this folder's files.
func file(name, to string, mode os.FileMode) (item, error) {
	data, err := files.ReadFile("files/" + name)
	return item{to, mode, data}, err
}

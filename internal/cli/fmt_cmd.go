package cli

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/diff"

	"bkp/internal/problem"
	"bkp/lang"
	"bkp/lang/format"
	"bkp/providers/all"
)

type fmtCmd struct {
	Paths     []string `arg:"" optional:"" name:"PATH" help:"Folder or file; - reads standard input and writes standard output. Default: this folder."`
	Check     bool     `help:"Write nothing; exit with 1 if a file is not formatted."`
	Diff      bool     `help:"Show what changes."`
	Recursive bool     `help:"Also format the files in subfolders."`
	Write     bool     `default:"true" negatable:"" help:"Write the files. With --write=false --list=false, print them instead."`
	List      bool     `default:"true" negatable:"" help:"Print the names of files that change."`
}

// Help is shown by bkp fmt --help.
func (fmtCmd) Help() string {
	return `Rewrites *.bkp.hcl and *.bkpvars files in canonical form. Their meaning does not
change. JSON files and files with a syntax error are left unchanged.
Unlike terraform fmt, --check exits with 1 if a file is not formatted, because 3
means that an instance may be locked.

Examples:
  bkp fmt
  bkp fmt --check --diff --recursive
  bkp fmt - < main.bkp.hcl

` + exitCodes("failed, or with --check a file is not formatted")
}

// formatted are the endings of the files that fmt takes.
var formatted = []string{".bkp.hcl", ".bkpvars"}

// formatter is one run of bkp fmt.
type formatter struct {
	fmtCmd
	s     *session
	files map[string]*hcl.File
	diags hcl.Diagnostics
	// unformatted is set once a file is not in its canonical form.
	unformatted bool
}

func (c *fmtCmd) Run(s *session) error {
	f := &formatter{fmtCmd: *c, s: s, files: map[string]*hcl.File{}}
	if len(f.Paths) == 0 {
		f.Paths = []string{"."}
	}
	stdin := slices.Contains(f.Paths, "-")
	if stdin && len(f.Paths) > 1 {
		return problem.Usagef("standard input cannot be formatted together with files")
	}
	run := f.paths
	if stdin {
		run = f.standardInput
	}
	err := run()
	if err := problem.Join(s.diagnostics(f.files, f.diags), err); err != nil {
		return err
	}
	if f.Check && f.unformatted {
		return errReported
	}
	return nil
}

func (f *formatter) standardInput() error {
	const name = "<stdin>"
	f.List, f.Write = false, false
	file, diags := lang.Read(f.s.io.In, name, all.Registry())
	return f.file(name, file, diags)
}

func (f *formatter) paths() error {
	for _, path := range f.Paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return problem.Usagef("%s", err)
		case info.IsDir():
			err = f.folder(path)
		case !isFormatted(path):
			return problem.Usagef("%s cannot be formatted: bkp formats only *%s files", path, strings.Join(formatted, " and *"))
		default:
			err = f.path(path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func isFormatted(path string) bool {
	return slices.ContainsFunc(formatted, func(ext string) bool { return strings.HasSuffix(path, ext) })
}

// folder takes the files of a folder, but not hidden ones; links to folders
// are not followed.
func (f *formatter) folder(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return problem.Wrap(err, "folder not readable", "make it readable, or name the files instead")
		}
		hidden := path != root && strings.HasPrefix(d.Name(), ".")
		if d.IsDir() {
			if hidden || path != root && !f.Recursive {
				return fs.SkipDir
			}
			return nil
		}
		if hidden || !isFormatted(path) {
			return nil
		}
		return f.path(path)
	})
}

func (f *formatter) path(path string) error {
	if err := f.s.ctx.Err(); err != nil {
		return err
	}
	path = filepath.Clean(path)
	file, diags := lang.ReadFile(path, all.Registry())
	return f.file(path, file, diags)
}

// file formats one file that was read, unless it has errors.
func (f *formatter) file(name string, file *hcl.File, diags hcl.Diagnostics) error {
	f.diags = append(f.diags, diags...)
	if file != nil {
		f.files[name] = file
	}
	if diags.HasErrors() {
		return nil
	}
	out, err := format.Source(file.Bytes)
	if err != nil {
		return problem.Wrapf(err, "file left unchanged", "please report it, with the file", "%s", name)
	}
	changed := !bytes.Equal(file.Bytes, out)
	f.unformatted = f.unformatted || changed
	write := changed && f.Write && !f.Check
	if write {
		if err := replaceFile(name, out); err != nil {
			return problem.Wrap(err, "file not writable", "make the file and its folder writable")
		}
	}
	return f.show(name, file.Bytes, out, write)
}

// show prints what was asked for about one file.
func (f *formatter) show(name string, before, after []byte, written bool) error {
	changed := !bytes.Equal(before, after)
	var patch []byte
	if f.Diff {
		patch = diff.Diff("old/"+filepath.ToSlash(name), before, "new/"+filepath.ToSlash(name), after)
	}
	if f.s.JSON {
		return f.s.stream().Write(formatEvent{Event: "formatted", File: name, Changed: changed, Written: written, Diff: string(patch)})
	}
	w := f.s.io.Out
	if f.List && changed {
		if _, err := fmt.Fprintln(w, name); err != nil {
			return err
		}
	}
	if !f.List && !f.Write && !f.Diff && !f.Check {
		patch = after
	}
	_, err := w.Write(patch)
	return err
}

// formatEvent reports one file to programs.
type formatEvent struct {
	Event   string `json:"event"`
	File    string `json:"file"`
	Changed bool   `json:"changed"`
	Written bool   `json:"written"`
	Diff    string `json:"diff,omitempty"`
}

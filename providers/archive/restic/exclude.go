package restic

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode"

	"bkp/internal/problem"
	"bkp/providers"
)

// maxInArguments bounds the names that cannot stand in a file of restic's: those with
// the end of a line in them.
const maxInArguments = 1000

// excludes makes restic leave out of a tree what its rules leave out. restic's patterns
// mean something else, so it gets the paths that the rules match, literally; what is
// made meanwhile is seen afterwards, when the snapshot is compared. done removes
// the file that they stand in.
func (a *archive) excludes(ctx context.Context, dir string, rules providers.Rules) (args []string, done func() error, err error) {
	none := func() error { return nil }
	if len(rules) == 0 {
		return nil, none, nil
	}
	var inFile, inArguments []string
	err = hidden(ctx, dir, "", rules.Matcher(), func(rel string) {
		if full := filepath.Join(dir, rel); fitsLine(full) {
			inFile = append(inFile, strings.ReplaceAll(literal(full), "$", "$$"))
		} else {
			inArguments = append(inArguments, literal(full))
		}
	})
	if err == nil && len(inArguments) > maxInArguments {
		err = problem.New("names cannot be left out", fmt.Sprintf("%s has %d names to leave out with the end of a line in them, such as %q", dir, len(inArguments), inArguments[0]), "rename them")
	}
	if err != nil {
		return nil, none, err
	}
	for _, p := range inArguments {
		args = append(args, "--exclude", p)
	}
	if len(inFile) == 0 {
		return args, none, nil
	}
	f, err := os.CreateTemp(a.env.WorkDir, "exclude-")
	if err != nil {
		return nil, none, err
	}
	done = func() error { return ignoreMissing(os.Remove(f.Name())) }
	_, err = f.WriteString(strings.Join(inFile, "\n") + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, none, errors.Join(err, done())
	}
	return append(args, "--exclude-file", f.Name()), done, nil
}

// hidden calls found for each entry below a folder that the rules leave out, and looks
// not into it.
func hidden(ctx context.Context, dir, rel string, matcher func(string) func(string, bool) bool, found func(rel string)) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	entries, err := os.ReadDir(filepath.Join(dir, rel))
	if err != nil {
		return err
	}
	skip := matcher(rel)
	for _, e := range entries {
		name := path.Join(rel, e.Name())
		switch {
		case skip != nil && skip(e.Name(), e.IsDir()):
			found(name)
		case e.IsDir():
			if err := hidden(ctx, dir, name, matcher, found); err != nil {
				return err
			}
		}
	}
	return nil
}

// literal is a pattern of restic that matches one path and what is below it.
func literal(path string) string {
	var out strings.Builder
	for _, c := range []byte(path) {
		if strings.IndexByte(`*?[]\`, c) >= 0 {
			out.WriteByte('\\')
		}
		out.WriteByte(c)
	}
	return out.String()
}

// fitsLine reports whether a path survives as a line of a file of patterns, which
// restic trims.
func fitsLine(path string) bool {
	return !strings.ContainsAny(path, "\n\r") && strings.TrimFunc(path, unicode.IsSpace) == path
}

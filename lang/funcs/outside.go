package funcs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"bkp/internal/javaprops"
)

// maxFile bounds what file and properties read, so that a wrong path cannot
// fill the memory.
const maxFile = 1 << 20

// env returns an environment variable, or the default.
func (s Source) env() function.Function {
	return function.New(&function.Spec{
		Description: "Returns an environment variable, or the default if it is not set.",
		Params:      []function.Parameter{{Name: "name", Type: cty.String}},
		VarParam:    &function.Parameter{Name: "default", Type: cty.String, AllowNull: true},
		Type:        function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if len(args) > 2 {
				return cty.NilVal, function.NewArgErrorf(2, "env takes a name and at most one default")
			}
			name := args[0].AsString()
			if v, ok := s.LookupEnv(name); ok {
				return s.external(cty.StringVal(v)), nil
			}
			if len(args) == 2 {
				return args[1], nil
			}
			if s.Offline {
				return cty.UnknownVal(cty.String).Mark(External), nil
			}
			return cty.NilVal, function.NewArgErrorf(0, "the environment variable %s is not set; "+
				"set it with `export %s=…`, or give a default: env(%q, \"…\")", name, name, name)
		},
	})
}

// file returns a file's text.
func (s Source) file() function.Function {
	return function.New(&function.Spec{
		Description: "Returns the text of a file; the path is relative to the configuration's folder.",
		Params:      []function.Parameter{{Name: "path", Type: cty.String}},
		Type:        function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			text, err := s.read(args[0].AsString())
			if err != nil && s.Offline {
				return cty.UnknownVal(cty.String).Mark(External), nil
			}
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			if !utf8.Valid(text) {
				return cty.NilVal, function.NewArgErrorf(0, "%s is not UTF-8 text; convert it, or name another file", args[0].AsString())
			}
			return s.external(cty.StringVal(string(text))), nil
		},
	})
}

// properties returns the entries of a Java properties file. References such
// as ${x} stay as they are, which is how Bitbucket reads its own file.
func (s Source) properties() function.Function {
	return function.New(&function.Spec{
		Description: "Returns the entries of a Java properties file, such as bitbucket.properties, as a map.",
		Params:      []function.Parameter{{Name: "path", Type: cty.String}},
		Type:        function.StaticReturnType(cty.Map(cty.String)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			path := args[0].AsString()
			text, err := s.read(path)
			if err != nil && s.Offline {
				return cty.UnknownVal(cty.Map(cty.String)).Mark(External), nil
			}
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			entries, err := javaprops.Parse(text)
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "%s is not a Java properties file (%w); correct it, or name another file", path, err)
			}
			return s.external(stringMap(entries)), nil
		},
	})
}

func stringMap(m map[string]string) cty.Value {
	if len(m) == 0 {
		return cty.MapValEmpty(cty.String)
	}
	vals := make(map[string]cty.Value, len(m))
	for k, v := range m {
		vals[k] = cty.StringVal(v)
	}
	return cty.MapVal(vals)
}

// read reads a regular file: a pipe could block for ever, a device never end.
func (s Source) read(path string) ([]byte, error) {
	full := path
	if !filepath.IsAbs(full) {
		full = filepath.Join(s.Dir, path)
	}
	info, err := os.Stat(full)
	if err != nil {
		return nil, unreadable(full, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file; name a file that holds the text", full)
	}
	f, err := os.Open(full)
	if err != nil {
		return nil, unreadable(full, err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, unreadable(full, err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s is larger than 1 MiB; name a file that holds only the value", full)
	}
	return text, nil
}

func unreadable(path string, err error) error {
	// The cause without the path, which the message has already.
	var pe *os.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("%s cannot be read (%w); create it, or give the user who runs bkp the right to read it", path, err)
}

func (s Source) external(v cty.Value) cty.Value {
	if s.Observe != nil {
		s.Observe(v)
	}
	return v.Mark(External)
}

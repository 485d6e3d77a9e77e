package cli

import (
	"fmt"
	"slices"

	"github.com/alecthomas/kong"
)

// refuseEmpty refuses flags and arguments that are given and empty: a shell
// variable that is not set must not turn a restore of one component into one of
// all.
func refuseEmpty(path []*kong.Path) error {
	for _, p := range path {
		switch {
		case p.Flag != nil && empty(p.Flag.Value):
			return fmt.Errorf("--%s is empty; is a variable of your shell not set?", p.Flag.Name)
		case p.Positional != nil && empty(p.Positional):
			return fmt.Errorf("%s is empty; is a variable of your shell not set?", p.Positional.Name)
		}
	}
	return nil
}

func empty(v *kong.Value) bool {
	switch text := v.Target.Interface().(type) {
	case string:
		return text == ""
	case []string:
		return len(text) == 0 || slices.Contains(text, "")
	}
	return false
}

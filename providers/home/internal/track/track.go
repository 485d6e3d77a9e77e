package track

import "strings"

// Names are the entries of one folder that changed. The value reports whether
// the entry may be another folder than before, with all that is below it: it
// was made or moved there. No names at all: the folder's own attributes
// changed.
type Names map[string]bool

// Changes of one root: folders by their path below it, "" for the root itself.
// A folder that is gone is not among them, but its parent is.
type Changes map[string]Names

// merge adds what another look saw of the same folder.
func (c Changes) merge(folder string, names Names) {
	have := c[folder]
	if have == nil {
		have = Names{}
		c[folder] = have
	}
	for name, deep := range names {
		have[name] = have[name] || deep
	}
}

// below returns path relative to root, if it is root or lies below it.
func below(path, root string) (string, bool) {
	if path == root {
		return "", true
	}
	if root == "/" {
		return strings.CutPrefix(path, "/")
	}
	return strings.CutPrefix(path, root+"/")
}

// UnfitError says why changes cannot be tracked, or are not known any more.
type UnfitError struct {
	// Reason is a phrase such as "not root".
	Reason string
	Err    error
	// Root is set if root could track them.
	Root bool
}

// Error is the reason, with its cause if there is one.
func (e *UnfitError) Error() string {
	if e.Err == nil {
		return e.Reason
	}
	return e.Reason + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *UnfitError) Unwrap() error { return e.Err }

func unfit(reason string, err error) error { return &UnfitError{Reason: reason, Err: err} }

// Package javaprops reads Java properties files as Bitbucket does: references
// such as ${x} are left as they are.
//
// It leaves out where the files are and what their entries mean.
package javaprops

import (
	"unicode/utf8"

	"github.com/magiconair/properties"
)

// Parse returns the entries of a file's text.
func Parse(text []byte) (map[string]string, error) {
	// Java's own encoding is ISO 8859-1, but people write UTF-8.
	loader := properties.Loader{Encoding: properties.UTF8, DisableExpansion: true}
	if !utf8.Valid(text) {
		loader.Encoding = properties.ISO_8859_1
	}
	p, err := loader.LoadBytes(text)
	if err != nil {
		return nil, err
	}
	return p.Map(), nil
}

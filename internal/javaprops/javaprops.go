// Package javaprops reads Java properties files as Bitbucket does: references
// such as ${x} are left as they are.
//
// It leaves out where the files are and what their entries mean.
package javaprops

import (
	"strings"
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

// Set returns the text with the entry key=value, in the place of the first entry of
// this key; others of it are removed. Without one it is added at the end. All other
// lines stay as they are. key and value need no escapes.
func Set(text []byte, key, value string) []byte {
	var out strings.Builder
	entry, isDone := key+"="+value, false
	for _, line := range logicalLines(string(text)) {
		own, err := Parse([]byte(line))
		if _, isKey := own[key]; err != nil || !isKey {
			out.WriteString(line)
			continue
		}
		if !isDone {
			out.WriteString(entry + "\n")
			isDone = true
		}
	}
	if isDone {
		return []byte(out.String())
	}
	if rest := out.String(); rest != "" && !strings.HasSuffix(rest, "\n") {
		out.WriteString("\n")
	}
	return []byte(out.String() + entry + "\n")
}

// logicalLines are the lines of a text with their ends; one that ends in an odd
// number of backslashes, and is no comment, goes on in the next.
func logicalLines(text string) []string {
	var out []string
	goesOn := false
	for line := range strings.Lines(text) {
		isComment := !goesOn && strings.HasPrefix(strings.TrimLeft(line, " \t\f"), "#") || !goesOn && strings.HasPrefix(strings.TrimLeft(line, " \t\f"), "!")
		if goesOn {
			out[len(out)-1] += line
		} else {
			out = append(out, line)
		}
		body := strings.TrimRight(line, "\r\n")
		goesOn = !isComment && (len(body)-len(strings.TrimRight(body, `\`)))%2 == 1
	}
	return out
}

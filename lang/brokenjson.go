package lang

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	hcljson "github.com/hashicorp/hcl/v2/json"
)

func parseJSON(text []byte, name string) parsed {
	// Escapes could hide brackets and numbers within templates.
	if d := tooDeep(unescape(text), name); d != nil {
		d.Subject = &hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.InitialPos}
		return unreadable(text, d)
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	file, diags := hcljson.Parse(text, name)
	if file == nil {
		file = &hcl.File{Bytes: text}
	}
	if diags.HasErrors() {
		diags = jsonMistakes(text, name, diags)
	}
	return parsed{file: file, diags: diags, sources: []source{{body: file.Body, broken: diags.HasErrors()}}}
}

// jsonMistakes reports the first mistake of a text that is not JSON, which the
// parser of hcl finds in the wrong place, and of its diagnostics those that
// are no consequence of another one.
func jsonMistakes(text []byte, name string, diags hcl.Diagnostics) hcl.Diagnostics {
	var syntax *json.SyntaxError
	var raw json.RawMessage
	if !errors.As(json.Unmarshal(text, &raw), &syntax) {
		return first(diags)
	}
	mistake := jsonMistake(text, name, syntax)
	out := hcl.Diagnostics{mistake}
	for _, d := range diags {
		if d.Subject != nil && d.Subject.Start.Byte > mistake.Subject.End.Byte && slices.Contains(ownMistakes, d.Summary) {
			out = append(out, d)
		}
	}
	return out
}

// ownMistakes are those after which the parser of hcl goes on.
var ownMistakes = []string{"Trailing comma in array", "Trailing comma in object", "Invalid JSON keyword", "Invalid JSON number"}

const invalidJSON = "Invalid JSON"

func jsonMistake(text []byte, name string, err *json.SyntaxError) *hcl.Diagnostic {
	at := min(max(int(err.Offset)-1, 0), len(text))
	rest := text[at:]
	before := bytes.TrimRightFunc(text[:at], unicode.IsSpace)
	report := func(detail, remedy string) *hcl.Diagnostic {
		return problemAt(rangeAt(text, name, at), invalidJSON, detail, remedy)
	}
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return report("The file is empty.", "Write an object, as { \"locals\": {} }, or remove the file.")
	case len(bytes.TrimSpace(rest)) == 0 || err.Offset >= int64(len(text)) && !bytes.ContainsAny(rest[:1], "}]"):
		return report("The file ends before the object does.", "Close every { with }, every [ with ] and every text with a quote.")
	case bytes.HasPrefix(rest, []byte("//")), bytes.HasPrefix(rest, []byte("/*")), rest[0] == '#', rest[0] == '/':
		return report("JSON has no comments.", `Remove it, or write it as a property: "//": "…".`)
	case json.Valid(before):
		return report("Something follows the end of the object.", "A file holds one JSON object: merge the two, or remove what follows.")
	case rest[0] == '\'':
		return report("JSON does not allow single quotes.", `Write "double quotes" around names and texts.`)
	case (rest[0] == '}' || rest[0] == ']') && bytes.HasSuffix(before, []byte(",")):
		return problemAt(rangeAt(text, name, len(before)-1), invalidJSON, "A comma is before a closing bracket.", "Remove the comma.")
	case rest[0] == '=':
		return report("JSON takes a colon here, not an equals sign.", `Write "NAME": VALUE.`)
	case rest[0] < ' ':
		return report("A text is not closed on its line.", `Close it with a quote, and write \n for a new line in it.`)
	case bytes.HasSuffix(before, []byte(`\`)):
		return report("This is not an escape sequence.", `Write \\ for a backslash; or use slashes, which paths of Windows take, too.`)
	}
	return report(jsonToken(rest, before))
}

// jsonToken reports a word or a sign that is out of place.
func jsonToken(rest, before []byte) (detail, remedy string) {
	r, _ := utf8.DecodeRune(rest)
	ended := len(before) > 0 && bytes.IndexByte([]byte(`"}]0123456789el`), before[len(before)-1]) >= 0
	switch {
	case (r == '}' || r == ']' || r == ',') && bytes.HasSuffix(before, []byte(":")):
		return "A value is missing.", "Write one, or null."
	case ended && (r == '"' || r == '{' || r == '['):
		return "A separator is missing before this.", "Put a comma between values, and a colon between a name and its value."
	case unicode.IsDigit(r), r == '.', r == '+':
		return "This is not a JSON number.", "Write it in digits, without leading zeros, or as a text in quotes."
	case r == '_' || unicode.IsLetter(r):
		return "A word is not in quotes.", `Write "double quotes" around names and texts; only true, false and null are written without quotes. A file in the native syntax has a name that ends in ` + nativeExt + "."
	}
	return fmt.Sprintf("%q is out of place.", r), "Write names and texts in double quotes, a colon after each name, and commas between values."
}

// rangeAt is one character of a text.
func rangeAt(text []byte, name string, at int) *hcl.Range {
	start := hcl.Pos{Byte: at, Line: 1 + bytes.Count(text[:at], []byte("\n"))}
	start.Column = 1 + utf8.RuneCount(text[bytes.LastIndexByte(text[:at], '\n')+1:at])
	end := start
	if _, n := utf8.DecodeRune(text[at:]); n > 0 {
		end.Byte += n
		end.Column++
	}
	return &hcl.Range{Filename: name, Start: start, End: end}
}

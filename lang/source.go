package lang

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// The endings of files that belong to a configuration.
const (
	nativeExt = ".bkp.hcl"
	jsonExt   = ".bkp.hcl.json"
)

const (
	// maxSource bounds a file, so that a wrong one cannot fill the memory.
	maxSource = 1 << 20
	// maxNesting bounds how deep an expression may be. The parser and the
	// evaluator recurse, and a stack that overflows cannot be recovered from.
	maxNesting = 5000
)

// source is one parsed file.
type source struct {
	body hcl.Body
	// broken sources have syntax errors: what they declare is known only in
	// part.
	broken bool
	// piece is set if it is a block of a broken file.
	piece bool
}

// readFolder parses the files of a folder in the order of their names.
func (g *grammar) readFolder(dir string) ([]source, map[string]*hcl.File, hcl.Diagnostics) {
	files := map[string]*hcl.File{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, files, hcl.Diagnostics{problemAt(nil, "Configuration folder cannot be read",
			fmt.Sprintf("%s: %s.", absolute("", dir), cause(err)), "Name a folder that exists and that you may read.")}
	}
	var sources []source
	var diags hcl.Diagnostics
	for _, e := range entries {
		if !IsSource(e.Name()) || e.IsDir() {
			continue
		}
		name := filepath.Join(dir, e.Name())
		p := g.parseFile(name)
		diags = append(diags, p.diags...)
		if p.file != nil {
			files[name] = p.file
		}
		sources = append(sources, p.sources...)
	}
	if len(sources) == 0 {
		diags = append(diags, problemAt(nil, "No configuration files",
			fmt.Sprintf("The folder %s has no file whose name ends in %s or %s.", absolute("", dir), nativeExt, jsonExt),
			elsewhere(entries)))
	}
	return sources, files, diags
}

// IsSource reports whether a file of this name belongs to the configuration of
// its folder.
func IsSource(name string) bool {
	return !strings.HasPrefix(name, ".") && (strings.HasSuffix(name, nativeExt) || strings.HasSuffix(name, jsonExt))
}

// IsValues reports whether a file of this name holds values of variables.
func IsValues(name string) bool {
	return strings.HasSuffix(name, varsExt) || strings.HasSuffix(name, varsExt+".json")
}

// elsewhere says what to do about a folder without configuration files.
func elsewhere(entries []os.DirEntry) string {
	for _, e := range entries {
		for _, ext := range []string{".hcl", ".bkp", ".tf", ".hcl.json", ".bkp.json", ".tf.json"} {
			if base, ok := strings.CutSuffix(e.Name(), ext); ok && !e.IsDir() && base != "" && !strings.HasPrefix(base, ".") {
				return fmt.Sprintf("If %s is one, rename it to %s.", e.Name(), strings.TrimSuffix(base, ".bkp")+rightExt(ext))
			}
		}
	}
	return "Write a first one with bkp init, or turn the settings of Atlassian's scripts into one with bkp import. If there is one elsewhere, name its folder: bkp -chdir DIR."
}

func rightExt(ext string) string {
	if strings.HasSuffix(ext, ".json") {
		return jsonExt
	}
	return nativeExt
}

// parsed is what became of a file.
type parsed struct {
	// file is there even if it has errors, for snippets. It is nil if it could
	// not be read, and has no body if it must not be parsed.
	file *hcl.File
	// sources are one, or the pieces of a broken file.
	sources []source
	diags   hcl.Diagnostics
}

func unreadable(text []byte, d *hcl.Diagnostic) parsed {
	p := parsed{sources: []source{{broken: true}}, diags: hcl.Diagnostics{d}}
	if text != nil {
		p.file = &hcl.File{Bytes: text}
	}
	return p
}

func (g *grammar) parseFile(name string) parsed {
	text, err := readSource(name)
	if err != nil {
		return unreadable(nil, problemAt(nil, "Configuration file cannot be read",
			fmt.Sprintf("%s: %s.", name, cause(err)), "Make it a readable text file, or remove it from the folder."))
	}
	return g.parse(text, name)
}

func (g *grammar) parse(text []byte, name string) parsed {
	if d := notText(text, name); d != nil {
		return unreadable(nil, d)
	}
	if d := tooDeep(text, name); d != nil {
		return unreadable(text, d)
	}
	if strings.HasSuffix(name, ".json") {
		return parseJSON(text, name)
	}
	return g.parseNative(text, name)
}

// notText finds what no editor of UTF-8 texts writes.
func notText(text []byte, name string) *hcl.Diagnostic {
	const summary = "File is not UTF-8 text"
	at := func(n int) *hcl.Range { return rangeAt(text, name, n) }
	if bytes.HasPrefix(text, []byte{0xff, 0xfe}) || bytes.HasPrefix(text, []byte{0xfe, 0xff}) {
		return problemAt(at(0), summary, "The file is in UTF-16.", "Save it as UTF-8; in PowerShell, with -Encoding utf8.")
	}
	if n := bytes.IndexByte(text, 0); n >= 0 {
		return problemAt(at(n), summary, "The file holds a zero byte.",
			"Save it again as UTF-8; if a crash left zeros, take the file from version control.")
	}
	for n := 0; n < len(text); {
		r, size := utf8.DecodeRune(text[n:])
		if r == utf8.RuneError && size == 1 {
			return problemAt(at(n), summary, fmt.Sprintf("The byte 0x%x is not valid UTF-8.", text[n]),
				"Save the file as UTF-8; it is probably in Latin-1 or Windows-1252.")
		}
		n += size
	}
	return nil
}

var asciiEscape = regexp.MustCompile(`(?i)\\u00[2-7][0-9a-f]`)

// unescape replaces JSON's escapes of characters that mean something to the
// language.
func unescape(text []byte) []byte {
	return asciiEscape.ReplaceAllFunc(text, func(e []byte) []byte {
		c, err := strconv.ParseUint(string(e[2:]), 16, 8)
		if err != nil || c == '"' || c == '\\' {
			return e
		}
		return []byte{byte(c)}
	})
}

// readSource reads a regular file, or what a link leads to.
func readSource(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("it is not a regular file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxSource+1))
	if err == nil && len(text) > maxSource {
		err = fmt.Errorf("it is larger than 1 MiB")
	}
	return text, err
}

// tooDeep finds an expression that would overflow the stack, and a number
// whose digits would fill the memory, before either is parsed. It looks at
// tokens alone, which serve for both syntaxes.
func tooDeep(text []byte, name string) *hcl.Diagnostic {
	tokens, _ := hclsyntax.LexConfig(text, name, hcl.InitialPos)
	return tooDeepTokens(tokens)
}

func tooDeepTemplate(text []byte) bool {
	tokens, _ := hclsyntax.LexTemplate(text, "", hcl.InitialPos)
	return tooDeepTokens(tokens) != nil
}

func tooDeepTokens(tokens hclsyntax.Tokens) *hcl.Diagnostic {
	// open has, for each bracket that is open, the operators seen since the
	// last separator; total is their sum and the number of brackets.
	open := []int{0}
	total := 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen,
			hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl,
			hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc:
			open = append(open, 0)
			total++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen,
			hclsyntax.TokenTemplateSeqEnd, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc:
			if len(open) > 1 {
				total -= open[len(open)-1] + 1
				open = open[:len(open)-1]
			}
		case hclsyntax.TokenComma, hclsyntax.TokenNewline:
			total -= open[len(open)-1]
			open[len(open)-1] = 0
		case hclsyntax.TokenIdent, hclsyntax.TokenQuotedLit, hclsyntax.TokenStringLit, hclsyntax.TokenComment:
		case hclsyntax.TokenNumberLit:
			if hugeNumber(t.Bytes) {
				return problemAt(t.Range.Ptr(), "Number is too large",
					"The number has an exponent of more than three digits.", "Write a smaller one.")
			}
		default:
			open[len(open)-1]++
			total++
		}
		if total > maxNesting {
			return problemAt(t.Range.Ptr(), "Expression is too deep",
				fmt.Sprintf("More than %d brackets and operators are nested here.", maxNesting),
				"Split the expression into several locals.")
		}
	}
	return nil
}

func hugeNumber(lit []byte) bool {
	_, exp, found := strings.Cut(strings.ToLower(string(lit)), "e")
	return found && len(strings.TrimLeft(exp, "+-0")) > 3
}

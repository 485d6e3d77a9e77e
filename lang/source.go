package lang

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
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
	// broken files have syntax errors: what they declare is known only in part.
	broken bool
}

// readFolder parses the files of a folder in the order of their names.
func readFolder(dir string) ([]source, map[string]*hcl.File, hcl.Diagnostics) {
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
		file, fileDiags := parseFile(name)
		diags = append(diags, fileDiags...)
		if file != nil {
			files[name] = file
		}
		s := source{broken: fileDiags.HasErrors()}
		if file != nil {
			s.body = file.Body
		}
		sources = append(sources, s)
	}
	if len(sources) == 0 {
		diags = append(diags, problemAt(nil, "No configuration files",
			fmt.Sprintf("The folder %s has no file whose name ends in %s or %s.", absolute("", dir), nativeExt, jsonExt),
			"Create one there, such as main"+nativeExt+", or run bkp in the folder of your configuration."))
	}
	return sources, files, diags
}

// IsSource tells whether a file of this name belongs to the configuration of
// its folder.
func IsSource(name string) bool {
	return !strings.HasPrefix(name, ".") && (strings.HasSuffix(name, nativeExt) || strings.HasSuffix(name, jsonExt))
}

// parseFile returns the file even if it has errors, for snippets. It is nil if
// it could not be read, and has no body if it must not be parsed.
func parseFile(name string) (*hcl.File, hcl.Diagnostics) {
	text, err := readSource(name)
	if err != nil {
		return nil, hcl.Diagnostics{problemAt(nil, "Configuration file cannot be read",
			fmt.Sprintf("%s: %s.", name, cause(err)), "Make it a readable text file, or remove it from the folder.")}
	}
	return parse(text, name)
}

func parse(text []byte, name string) (*hcl.File, hcl.Diagnostics) {
	if d := tooDeep(text, name); d != nil {
		return &hcl.File{Bytes: text}, hcl.Diagnostics{d}
	}
	if strings.HasSuffix(name, ".json") {
		// Escapes could hide brackets and numbers within templates.
		if d := tooDeep(unescape(text), name); d != nil {
			d.Subject = &hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.InitialPos}
			return &hcl.File{Bytes: text}, hcl.Diagnostics{d}
		}
		file, diags := json.Parse(text, name)
		if file == nil {
			file = &hcl.File{Bytes: text}
		}
		return file, diags
	}
	return hclsyntax.ParseConfig(text, name, hcl.InitialPos)
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

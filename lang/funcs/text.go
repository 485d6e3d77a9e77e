package funcs

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// replace takes a regular expression between slashes, as Terraform's does.
func replace() function.Function {
	return function.New(&function.Spec{
		Description: "Replaces every occurrence of a text, or of a regular expression written between slashes.",
		Params: []function.Parameter{
			{Name: "str", Type: cty.String},
			{Name: "substr", Type: cty.String},
			{Name: "replace", Type: cty.String},
		},
		Type: function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if pattern, ok := betweenSlashes(args[1].AsString()); ok {
				return stdlib.RegexReplace(args[0], cty.StringVal(pattern), args[2])
			}
			return stdlib.Replace(args[0], args[1], args[2])
		},
	})
}

// betweenSlashes returns the regular expression that is written so.
func betweenSlashes(text string) (string, bool) {
	if len(text) < 2 || text[0] != '/' || text[len(text)-1] != '/' {
		return "", false
	}
	return text[1 : len(text)-1], true
}

func startsWith() function.Function {
	return textTest("Reports whether the text begins with the prefix.", "prefix", strings.HasPrefix)
}

func endsWith() function.Function {
	return textTest("Reports whether the text ends with the suffix.", "suffix", strings.HasSuffix)
}

func strContains() function.Function {
	return textTest("Reports whether the text contains the other one.", "substr", strings.Contains)
}

func textTest(description, second string, test func(text, with string) bool) function.Function {
	return function.New(&function.Spec{
		Description: description,
		Params:      []function.Parameter{{Name: "str", Type: cty.String}, {Name: second, Type: cty.String}},
		Type:        function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(test(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

func baseName() function.Function {
	return textMap("Returns the last part of a path.", "path", filepath.Base)
}

func dirName() function.Function {
	return textMap("Returns a path without its last part.", "path", filepath.Dir)
}

func base64Encode() function.Function {
	return textMap("Encodes a text with Base64 (RFC 4648).", "str", func(s string) string {
		return base64.StdEncoding.EncodeToString([]byte(s))
	})
}

func sha256Hex() function.Function {
	return textMap("Returns the SHA-256 checksum of a text, in hexadecimal.", "str", func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return hex.EncodeToString(sum[:])
	})
}

func textMap(description, param string, f func(string) string) function.Function {
	return function.New(&function.Spec{
		Description: description,
		Params:      []function.Parameter{{Name: param, Type: cty.String}},
		Type:        function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.StringVal(f(args[0].AsString())), nil
		},
	})
}

// base64Decode does not show the text when it fails, as it may be a secret.
func base64Decode() function.Function {
	return function.New(&function.Spec{
		Description: "Decodes a text from Base64 (RFC 4648); what comes out must be UTF-8.",
		Params:      []function.Parameter{{Name: "str", Type: cty.String}},
		Type:        function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			b, err := base64.StdEncoding.DecodeString(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "the text is not Base64; check that it is complete, with the = at its end")
			}
			if !utf8.Valid(b) {
				return cty.NilVal, function.NewArgErrorf(0, "the decoded bytes are not UTF-8 text; only text can be a value")
			}
			return cty.StringVal(string(b)), nil
		},
	})
}

package javaprops_test

import (
	"testing"
	"unicode/utf8"

	"bkp/internal/javaprops"
)

// FuzzParse proves that no file makes it panic, and that entries are text.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"", "a=b", "a=${a}", "a=\\u0041", "a=\\u00", "a\\ b:c\\\n  d", "Z\xfc=1", "#x\n!y\n=z", "\\"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := javaprops.Parse(text)
		if err != nil {
			return
		}
		for key, value := range entries {
			if !utf8.ValidString(key) || !utf8.ValidString(value) {
				t.Errorf("%q = %q", key, value)
			}
		}
	})
}

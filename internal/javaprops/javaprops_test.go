package javaprops_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"bkp/internal/javaprops"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       map[string]string
	}{
		{"empty", "", map[string]string{}},
		{"separators and continuations", "a=1\nb: 2\nc 3\nd = 4 \\\n   5\n", map[string]string{"a": "1", "b": "2", "c": "3", "d": "4 5"}},
		{"references stay", "a=${b}\nb=${a}\n", map[string]string{"a": "${b}", "b": "${a}"}},
		{"UTF-8", "a=Zürich", map[string]string{"a": "Zürich"}},
		{"ISO 8859-1", "a=Z\xfcrich", map[string]string{"a": "Zürich"}},
		{"escapes", `a=Z\u00fcrich`, map[string]string{"a": "Zürich"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := javaprops.Parse([]byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseRefusesWhatIsNone(t *testing.T) {
	if p, err := javaprops.Parse([]byte(`a=\u00zz`)); err == nil {
		t.Errorf("read as %v", p)
	}
}

// TestSet: one entry takes the place of all of its key, and nothing else changes.
func TestSet(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":        {"", "disaster.recovery=true\n"},
		"added":        {"# ours\na=b", "# ours\na=b\ndisaster.recovery=true\n"},
		"replaced":     {"a=b\ndisaster.recovery=false\n\nc=d\n", "a=b\ndisaster.recovery=true\n\nc=d\n"},
		"twice":        {"disaster.recovery = false\na=b\n disaster.recovery:false\nc=d", "disaster.recovery=true\na=b\nc=d"},
		"in a comment": {"#disaster.recovery=false\n", "#disaster.recovery=false\ndisaster.recovery=true\n"},
		"continued":    {"a=b\\\n  disaster.recovery=false\nc=d\n", "a=b\\\n  disaster.recovery=false\nc=d\ndisaster.recovery=true\n"},
		"its value":    {"disaster.recovery=\\\n  false\nc=d\n", "disaster.recovery=true\nc=d\n"},
		"escaped":      {"disaster\\.recovery=false\r\nc=d\r\n", "disaster.recovery=true\nc=d\r\n"},
		"comment ends": {"# path C:\\\ndisaster.recovery=false\n", "# path C:\\\ndisaster.recovery=true\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got := string(javaprops.Set([]byte(c.text), "disaster.recovery", "true"))
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if again := string(javaprops.Set([]byte(got), "disaster.recovery", "true")); again != got {
				t.Errorf("set twice: %q", again)
			}
			if entries, err := javaprops.Parse([]byte(got)); err != nil || entries["disaster.recovery"] != "true" {
				t.Errorf("read again: %q, %v", entries, err)
			}
		})
	}
}

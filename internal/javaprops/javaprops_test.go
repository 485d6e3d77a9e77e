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

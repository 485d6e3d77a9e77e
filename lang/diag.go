package lang

import (
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"bkp/internal/suggest"
)

// problemAt makes an error: the remedy becomes the detail's last sentence.
func problemAt(at *hcl.Range, summary, detail, remedy string) *hcl.Diagnostic {
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Subject: at}
	setDetail(d, detail, remedy)
	return d
}

func warningAt(at *hcl.Range, summary, detail, remedy string) *hcl.Diagnostic {
	d := problemAt(at, summary, detail, remedy)
	d.Severity = hcl.DiagWarning
	return d
}

func sentences(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " ")
}

// sentence writes a phrase of a strategy as a sentence.
func sentence(s string) string {
	if s == "" || strings.ContainsAny(s[len(s)-1:], ".?!") {
		return sentenceCase(s)
	}
	return sentenceCase(s) + "."
}

// sentenceCase leaves alone what begins with an address or with the name of an
// attribute.
func sentenceCase(s string) string {
	if first, _, _ := strings.Cut(s, " "); strings.ContainsAny(strings.TrimRight(first, ".:"), "._") {
		return s
	}
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

// cause is err without the path, which the diagnostic names already.
func cause(err error) string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return err.Error()
}

// didYouMean is the remedy for a wrong name: the nearest, or all there are.
func didYouMean(given string, candidates []string, none string) string {
	if n := suggest.Nearest(given, candidates); n != "" {
		return "Did you mean " + n + "?"
	}
	if len(candidates) == 0 {
		return none
	}
	candidates = slices.Sorted(slices.Values(candidates))
	const most = 12
	if len(candidates) > most {
		return "Known are " + strings.Join(candidates[:most], ", ") + " and more."
	}
	if len(candidates) == 1 {
		return "The only one is " + candidates[0] + "."
	}
	last := len(candidates) - 1
	return "Known are " + strings.Join(candidates[:last], ", ") + " and " + candidates[last] + "."
}

// tidy sorts diagnostics by where they are, those without a place first, and
// drops repetitions, which for_each makes.
func tidy(diags hcl.Diagnostics) hcl.Diagnostics {
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int {
		switch {
		case a.Subject == nil && b.Subject == nil:
			return 0
		case a.Subject == nil:
			return -1
		case b.Subject == nil:
			return 1
		}
		if c := strings.Compare(a.Subject.Filename, b.Subject.Filename); c != 0 {
			return c
		}
		return a.Subject.Start.Byte - b.Subject.Start.Byte
	})
	type key struct {
		summary, detail string
		subject         hcl.Range
	}
	seen := map[key]bool{}
	return slices.DeleteFunc(diags, func(d *hcl.Diagnostic) bool {
		k := key{summary: d.Summary, detail: d.Detail}
		if d.Subject != nil {
			k.subject = *d.Subject
		}
		twice := seen[k]
		seen[k] = true
		return twice
	})
}

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

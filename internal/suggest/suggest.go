// Package suggest guesses which name was meant by a misspelt one. It leaves
// out how the guess is put into words.
package suggest

import (
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// Nearest returns the candidate that was probably meant, or "": one that
// differs by upper and lower case, by a letter or two, or that shares its
// words, as user and username do. Of several equally near ones it is the
// first.
func Nearest(given string, candidates []string) string {
	lower := strings.ToLower(given)
	best, bestDistance := "", tooFar(given)
	for _, c := range candidates {
		d := levenshtein.Distance(lower, strings.ToLower(c), nil)
		if swapped(lower, strings.ToLower(c)) {
			d = 1 // two letters in the wrong order are one slip
		}
		if d < bestDistance && d < len(c) {
			best, bestDistance = c, d
		}
	}
	if best != "" {
		return best
	}
	i := slices.IndexFunc(candidates, func(c string) bool { return related(lower, strings.ToLower(c)) })
	if i < 0 {
		return ""
	}
	return candidates[i]
}

// swapped reports whether two neighbours have changed places, and nothing else differs.
func swapped(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) - 1 {
		if a[i] != b[i] {
			return a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
		}
	}
	return false
}

// tooFar is the distance from which a name is another one. In a short one,
// two letters are half of it.
func tooFar(given string) int {
	if len(given) < 5 {
		return 2
	}
	return 3
}

// related reports whether one name begins or ends with the other one, or has all
// of its words.
func related(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	const least = 3 // shorter ones are in too many others
	if len(a) < least || strings.ContainsAny(a+b, ".[") {
		return false
	}
	return strings.HasPrefix(b, a) || strings.HasSuffix(b, a) || slices.Contains(strings.FieldsFunc(b, func(r rune) bool { return r == '_' || r == '-' }), a)
}

// Package suggest guesses which name was meant by a misspelt one. It leaves
// out how the guess is put into words.
package suggest

import "github.com/agext/levenshtein"

// tooFar is the distance from which a name is another one.
const tooFar = 3

// Nearest returns the candidate that was probably meant, or "". Of several
// equally near ones it is the first.
func Nearest(given string, candidates []string) string {
	best, bestDistance := "", tooFar
	for _, c := range candidates {
		if d := levenshtein.Distance(given, c, nil); d < bestDistance && d < len(c) {
			best, bestDistance = c, d
		}
	}
	return best
}

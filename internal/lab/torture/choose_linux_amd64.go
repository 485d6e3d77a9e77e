package main

import (
	"fmt"
	"io"
	"math/rand/v2"
)

// effects are those of one backup in a scenario, in the order of their first.
type effects map[scenario][]seen

func list(out io.Writer, all effects) error {
	for _, s := range scenarios() {
		for _, e := range all[s] {
			if _, err := fmt.Fprintf(out, "%s %s %d\n", s, e.class, e.count); err != nil {
				return err
			}
		}
	}
	return nil
}

// everyCase is every effect with every kind.
func everyCase(all effects) []failure {
	var out []failure
	for _, s := range scenarios() {
		for _, e := range all[s] {
			for nth := range e.count {
				for _, k := range kindsOf(e) {
					out = append(out, failure{s, e.class, nth + 1, k})
				}
			}
		}
	}
	return out
}

// choose takes n distinct cases. Before any class is disturbed twice in the same
// way, every class is; and of the ways to disturb one, all come up alike. What is
// slow, a hang, is rarer.
func choose(all effects, n int, seed uint64) []failure {
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // not for secrets
	var layers [][]failure
	for _, s := range scenarios() {
		for _, e := range all[s] {
			kinds := kindsOf(e)
			random.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
			for depth, k := range kinds {
				if k == kindHang && random.IntN(2) > 0 {
					depth += len(kinds)
				}
				for len(layers) <= depth {
					layers = append(layers, nil)
				}
				layers[depth] = append(layers[depth], failure{s, e.class, 1 + random.IntN(usual(e.count)), k})
			}
		}
	}
	var out []failure
	for _, layer := range layers {
		random.Shuffle(len(layer), func(i, j int) { layer[i], layer[j] = layer[j], layer[i] })
		out = append(out, layer[:min(len(layer), n-len(out))]...)
	}
	return out
}

// usual is how many effects of a class come in every run: of many, some fewer
// than were seen in one.
func usual(count int) int {
	if count > 3 {
		return count * 3 / 4
	}
	return count
}

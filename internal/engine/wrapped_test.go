//go:build unix

package engine_test

import (
	"testing"

	"bkp/providers"
	"bkp/providers/archive/snapshots"
	"bkp/providers/archive/tar"
	"bkp/providers/encryption/age"
	"bkp/providers/providertest/example/remote"
	"bkp/providers/providertest/example/snapshot"
)

// wrapper is a strategy around another, as a decorator or a connection is. A type
// assertion finds none of what the inner one can do besides.
type wrapper struct{ providers.Strategy }

func (w wrapper) Unwrap() providers.Strategy { return w.Strategy }

func (w wrapper) Restorer(target string) (providers.Restorer, error) {
	r, err := w.Strategy.Restorer(target)
	return wrapperBack{r}, err
}

// wrapperBack is the way back of a wrapper.
type wrapperBack struct{ providers.Restorer }

func (w wrapperBack) Unwrap() providers.Restorer { return w.Restorer }

// wrapping opens what d opens, wrapped twice.
func wrapping[C any](d providers.Definition, defaults C, options ...providers.Option) providers.Definition {
	open := func(c C, env providers.Env) (providers.Strategy, error) {
		s, err := d.Open(&c, env)
		if err != nil {
			return nil, err
		}
		return wrapper{wrapper{s.(providers.Strategy)}}, nil
	}
	return providers.Define(d.Kind.(providers.Kind[providers.Strategy]), d.Type, d.Summary, defaults, open, options...)
}

func plain() *providers.Registry {
	return providers.NewRegistry(snapshot.Definition(), remote.Definition(), snapshots.Definition(), tar.Definition(), age.Definition())
}

func wrapped() *providers.Registry {
	return providers.NewRegistry(
		wrapping(snapshot.Definition(), snapshot.Config{}, providers.Yields(providers.Native)),
		wrapping(remote.Definition(), remote.Config{}, providers.Yields(providers.Native), providers.Does(providers.Finish)),
		snapshots.Definition(), tar.Definition(), age.Definition(),
	)
}

// bothWays runs a test with strategies as they are, and with wrapped ones: the engine
// finds what they can do with providers.As, and asserts no types.
func bothWays(t *testing.T, test func(t *testing.T, registry *providers.Registry)) {
	for name, registry := range map[string]func() *providers.Registry{"plain": plain, "wrapped": wrapped} {
		t.Run(name, func(t *testing.T) { test(t, registry()) })
	}
}

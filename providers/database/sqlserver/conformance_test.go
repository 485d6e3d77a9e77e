package sqlserver

import (
	"fmt"
	"testing"

	"bkp/internal/lab/sqlserver"
	"bkp/providers"
	"bkp/providers/providertest"
)

func TestConformance(t *testing.T) {
	for _, method := range []string{differential, copyOnly} {
		t.Run(method, func(t *testing.T) {
			providertest.Run(t, func(t *testing.T) providertest.Harness {
				server := newServer(t)
				o := newOpening(t, server, "bitbucket", func(c *Config) { c.Method = method })
				n := 0
				return providertest.Harness{
					Prepares: method == differential, Leaves: true,
					New: func(*testing.T) providers.Strategy { return o.new() },
					Mutate: func(*testing.T) {
						n++
						server.Write("bitbucket", "push", fmt.Sprint("new ", n), "x")
						server.Rewrite("bitbucket", "push", fmt.Sprint("changed ", n), "y")
					},
					State:  func(*testing.T) map[string]string { return server.State("bitbucket") },
					Target: func(t *testing.T) providertest.Target { return newTarget(t, server, o) },
				}
			})
		})
	}
}

func newTarget(t *testing.T, server *sqlserver.Server, o opening) providertest.Target {
	t.Helper()
	const name = "it's a [target]"
	server.Drop(name)
	r, err := o.new().Restorer(name)
	if err != nil {
		t.Fatal(err)
	}
	return providertest.Target{
		Restorer: r,
		State:    func(*testing.T) map[string]string { return server.State(name) },
		Occupy:   func(*testing.T) { server.CreateDatabase(name) },
	}
}

// Package command is the strategy connection "command": another machine, a pod or a
// container is reached by a command whose standard input and output lead there, such
// as kubectl exec.
package command

import (
	"context"
	"fmt"
	"os"
	"strings"

	"bkp/internal/host"
	"bkp/providers"
	"bkp/providers/connection"
)

// Config is the block connection "command".
type Config struct {
	Command     []string `hcl:"command" help:"the command and its arguments; those that run a shell over there are added to it" example:"[\"kubectl\", \"exec\", \"-i\", \"mesh-0\", \"--\"]"`
	Environment []string `hcl:"environment,optional" help:"names of variables of this process that the command gets, besides the few that every tool gets" example:"[\"KUBECONFIG\"]"`

	providers.ConnectionSettings
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Connections, "command", "a machine, a pod or a container that a command reaches, such as kubectl exec", Config{ConnectionSettings: providers.ConnectionDefaults()},
		func(c Config, env providers.Env) (providers.Connection, error) { return &machine{c, env}, nil })
}

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	out := connection.Validate(c.ConnectionSettings)
	if len(c.Command) == 0 || c.Command[0] == "" {
		out = append(out, providers.ConfigProblem{
			Attribute: "command", Summary: "value missing", Detail: "command has no words", Remedy: `name a program that leads there, such as ["kubectl", "exec", "-i", "mesh-0", "--"]`,
		})
	}
	for _, name := range c.Environment {
		if strings.ContainsAny(name, "= ") || name == "" {
			out = append(out, providers.ConfigProblem{
				Attribute: "environment", Summary: "not the name of a variable", Detail: fmt.Sprintf("%q is none", name), Remedy: "give names alone, such as KUBECONFIG: the values come from the environment of bkp",
			})
		}
	}
	return out
}

type machine struct {
	cfg Config
	env providers.Env
}

// Machine implements providers.Connection.
func (m *machine) Machine() string { return strings.Join(m.cfg.Command, " ") }

// Settings implements providers.Connection.
func (m *machine) Settings() providers.ConnectionSettings { return m.cfg.ConnectionSettings }

// Start implements providers.Connection. No shell of this machine is passed.
func (m *machine) Start(ctx context.Context, script string) (providers.Stream, error) {
	if _, err := m.env.Host.LookPath(m.cfg.Command[0]); err != nil {
		return nil, err
	}
	c := host.Command{Name: m.cfg.Command[0], Stderr: m.env.Log}
	c.Args = append(append(c.Args, m.cfg.Command[1:]...), connection.Shell(m.cfg.ConnectionSettings, script)...)
	for _, name := range m.cfg.Environment {
		if value, ok := os.LookupEnv(name); ok {
			c.Env = append(c.Env, name+"="+value)
		}
	}
	return connection.Start(ctx, m.env.Host, c), nil
}

// Explain implements providers.Connection.
func (m *machine) Explain(err error) error {
	if p := connection.Sudo(err, m.Machine(), ""); p != nil {
		return p
	}
	var words []string
	for _, w := range append(append([]string{}, m.cfg.Command...), "true") {
		words = append(words, host.ShellWord(w))
	}
	return connection.Unreachable(err, m, strings.Join(words, " "))
}

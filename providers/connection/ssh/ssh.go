// Package ssh is the strategy connection "ssh": another machine is reached by the
// system's ssh, with its configuration, its agent, its jump hosts and its known hosts.
package ssh

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/connection"
)

// Config is the block connection "ssh".
type Config struct {
	Host         string   `hcl:"host" help:"name or address of the machine, or a Host of ~/.ssh/config" example:"filer.example.com"`
	Port         int      `hcl:"port,optional" help:"port of its sshd" unset:"as ssh is configured"`
	User         string   `hcl:"user,optional" help:"who logs in" unset:"as ssh is configured"`
	IdentityFile string   `hcl:"identity_file,optional" help:"file of the private key" unset:"the agent, and as ssh is configured" example:"/etc/bkp/id_ed25519"`
	KnownHosts   string   `hcl:"known_hosts,optional" help:"file with the machine's public key" unset:"as ssh is configured" example:"/etc/bkp/known_hosts"`
	Options      []string `hcl:"options,optional" help:"further options as in ssh_config, such as ProxyJump=bastion"`

	providers.ConnectionSettings
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Connections, "ssh", "a machine that the system's ssh reaches", Config{ConnectionSettings: providers.ConnectionDefaults()},
		func(c Config, env providers.Env) (providers.Connection, error) { return &machine{c, env}, nil })
}

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	out := connection.Validate(c.ConnectionSettings)
	if c.Host == "" || strings.HasPrefix(c.Host, "-") {
		out = append(out, providers.ConfigProblem{Attribute: "host", Summary: "not the name of a machine", Detail: fmt.Sprintf("%q names none", c.Host), Remedy: "give a name or an address, such as filer.example.com"})
	}
	if c.Port < 0 || c.Port > 65535 {
		out = append(out, providers.ConfigProblem{Attribute: "port", Summary: "port out of range", Detail: fmt.Sprintf("%d is no port", c.Port), Remedy: "give one from 1 to 65535, such as 22"})
	}
	for _, o := range c.Options {
		name, _, _ := strings.Cut(strings.ToLower(o), "=")
		name, _, _ = strings.Cut(strings.TrimSpace(name), " ")
		if slices.Contains(fixed, name) {
			out = append(out, providers.ConfigProblem{
				Attribute: "options", Summary: "option of ssh is not allowed", Detail: fmt.Sprintf("%q: bkp sets it itself, because a backup must not go to a machine that nobody knows, nor wait for somebody who types", o),
				Remedy: "leave it out; add the machine's key to its known_hosts instead",
			})
		}
	}
	return out
}

// fixed are options that nobody overrides, in small letters.
var fixed = []string{"stricthostkeychecking", "batchmode", "requesttty", "verifyhostkeydns", "nohostauthenticationforlocalhost"}

type machine struct {
	cfg Config
	env providers.Env
}

// Machine implements providers.Connection.
func (m *machine) Machine() string { return m.cfg.Host }

// Settings implements providers.Connection.
func (m *machine) Settings() providers.ConnectionSettings { return m.cfg.ConnectionSettings }

// args are those of ssh, without what to run. The first value of an option counts,
// so that none of the operator's overrides those before it.
func (m *machine) args() []string {
	out := []string{
		"-T", "-x", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "NoHostAuthenticationForLocalhost=no", "-o", "VerifyHostKeyDNS=no",
		"-o", "ConnectTimeout=" + strconv.Itoa(max(int(m.cfg.Timeout.Seconds()), 1)),
	}
	if m.cfg.Port != 0 {
		out = append(out, "-p", strconv.Itoa(m.cfg.Port))
	}
	if m.cfg.User != "" {
		out = append(out, "-l", m.cfg.User)
	}
	if m.cfg.IdentityFile != "" {
		out = append(out, "-i", m.cfg.IdentityFile, "-o", "IdentitiesOnly=yes")
	}
	if m.cfg.KnownHosts != "" {
		out = append(out, "-o", "UserKnownHostsFile="+m.cfg.KnownHosts, "-o", "GlobalKnownHostsFile=/dev/null")
	}
	for _, o := range m.cfg.Options {
		out = append(out, "-o", o)
	}
	return append(out, "--", m.cfg.Host)
}

// Start implements providers.Connection. What ssh is given to run passes the login
// shell over there.
func (m *machine) Start(ctx context.Context, script string) (providers.Stream, error) {
	if _, err := m.env.Host.LookPath("ssh"); err != nil {
		return nil, err
	}
	var words []string
	for _, w := range connection.Shell(m.cfg.ConnectionSettings, script) {
		words = append(words, connection.Quote(w))
	}
	c := host.Command{Name: "ssh", Args: append(m.args(), "exec "+strings.Join(words, " ")), Stderr: m.env.Log}
	if agent := os.Getenv("SSH_AUTH_SOCK"); agent != "" {
		c.Env = []string{"SSH_AUTH_SOCK=" + agent}
	}
	return connection.Start(ctx, m.env.Host, c), nil
}

// byHand is the command with which an operator tries it.
func (m *machine) byHand() string {
	words := []string{"ssh"}
	for _, a := range append(m.args(), "true") {
		words = append(words, host.ShellWord(a))
	}
	return strings.Join(words, " ")
}

// Explain implements providers.Connection.
func (m *machine) Explain(err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "REMOTE HOST IDENTIFICATION HAS CHANGED"), strings.Contains(text, "Host key verification failed") && !strings.Contains(text, "No "):
		return problem.Wrapf(err, "the key of the other machine has changed or is not known",
			"find out whether the machine was installed again, or another one answers in its place; add its key to known_hosts only if you have compared it there:\n\n    ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\n", "%s", m.Machine())
	case strings.Contains(text, "host key is known"):
		return problem.Wrapf(err, "the key of the other machine has changed or is not known",
			"compare its key with that on the machine, and add it to known_hosts:\n\n    ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\n", "%s", m.Machine())
	case strings.Contains(text, "Permission denied ("):
		return problem.Wrapf(err, "the other machine refuses the login", "add the public key to ~/.ssh/authorized_keys of the user there, and try it by hand:\n\n    "+m.byHand()+"\n", "%s", m.Machine())
	}
	if p := connection.Sudo(err, m.Machine(), m.cfg.User); p != nil {
		return p
	}
	return connection.Unreachable(err, m, m.byHand())
}

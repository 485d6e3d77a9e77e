package cli

import (
	"fmt"
	"strings"

	"bkp/internal/completion"
	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/lang"
	"bkp/providers/all"
)

type completionCmd struct {
	Shell string `arg:"" name:"SHELL" enum:"bash,zsh,fish" help:"One of bash, zsh and fish."`
}

// Help is shown by bkp completion --help.
func (completionCmd) Help() string {
	return `Prints a script that completes commands, flags, files, ids of backups and
instances of the current configuration. The script calls bkp for them, so it need
not be generated again after an upgrade.

Examples:
  source <(bkp completion bash)                              (~/.bashrc)
  source <(bkp completion zsh)                               (~/.zshrc)
  bkp completion fish > ~/.config/fish/completions/bkp.fish

` + exitCodes("failed")
}

func (c *completionCmd) Run(s *session) error {
	script, ok := completion.Script(c.Shell)
	if !ok {
		return problem.Usagef("completion for %s is not supported", c.Shell)
	}
	_, err := fmt.Fprint(s.io.Out, script)
	return err
}

// complete answers a shell's script. It never prints an error: it
// runs at every press of a key.
func (streams IO) complete(args []string) {
	words := completion.Words(args)
	answer := completion.Complete(Describe().Commands, words, sources())
	_ = answer.Write(streams.Out)
}

// sources are the values that the configuration at hand knows. They read what
// bkp validate reads, and the catalog.
func sources() completion.Sources {
	return completion.Sources{
		"ID":            backupIDs,
		"BACKUP":        backupIDs,
		"INSTANCE":      instanceNames,
		"ADDRESS":       addresses,
		"TOPIC":         schemaCandidates,
		"NAME":          nothing,
		"EXPRESSION":    nothing,
		"COMMAND":       commandCandidates,
		"NAME=VALUE":    nothing,
		"ADDRESS=PLACE": nothing,
		"URL":           nothing,
		"N":             nothing,
		"PERIOD":        nothing,
		"DURATION":      nothing,
		"STATUS":        func([]string) []completion.Candidate { return statuses },
		"DATE":          nothing,
		"TEXT":          nothing,
	}
}

// configOf reads the configuration that a command line is about. Its
// diagnostics are for another time.
func configOf(before []string) *lang.Config {
	dir := "."
	for i, w := range before {
		name, value, assigned := strings.Cut(w, "=")
		if strings.TrimLeft(name, "-") != "chdir" && name != "-C" {
			continue
		}
		if !assigned && i+1 < len(before) {
			value = before[i+1]
		}
		dir = value
	}
	config, _ := lang.Load(dir, lang.Options{Registry: all.Registry(), Version: Version(), Offline: true})
	return config
}

func backupIDs(before []string) []completion.Candidate {
	s := session{config: configOf(before)}
	if s.config.StateDir == "" {
		return nil // there is no configuration here
	}
	var out []completion.Candidate
	entries, _ := s.engine().Catalog().List()
	for _, e := range entries {
		out = append(out, completion.Candidate{Value: string(e.Manifest.ID), Help: idHelp(e)})
	}
	return out
}

func idHelp(e catalog.Entry) string {
	return e.Manifest.Created.Local().Format("2006-01-02 15:04") + ", " + string(e.Status)
}

func instanceNames(before []string) []completion.Candidate {
	var out []completion.Candidate
	for _, i := range configOf(before).Instances {
		out = append(out, completion.Candidate{Value: i.Name, Help: i.URL})
	}
	return out
}

// addresses leaves out those of for_each, which no two shells quote alike.
func addresses(before []string) []completion.Candidate {
	var out []completion.Candidate
	for _, c := range configOf(before).Components {
		if !strings.ContainsAny(c.Address, `["`) {
			out = append(out, completion.Candidate{Value: c.Address, Help: c.Definition.Summary})
		}
	}
	return out
}

func schemaCandidates([]string) []completion.Candidate {
	var out []completion.Candidate
	for _, t := range topics(lang.Describe(all.Registry())) {
		out = append(out, completion.Candidate{Value: t.name, Help: t.help})
	}
	return out
}

// statuses are those of backups.
var statuses = []completion.Candidate{
	{Value: string(catalog.Complete), Help: "stored in every archive"}, {Value: string(catalog.Captured), Help: "not stored yet"},
	{Value: string(catalog.Superseded), Help: "replaced by a later run"},
}

// nothing is for what only the user can know.
func nothing([]string) []completion.Candidate { return nil }

func commandCandidates([]string) []completion.Candidate {
	var out []completion.Candidate
	for _, c := range Describe().Commands.Leaves(true) {
		out = append(out, completion.Candidate{Value: c.Name, Help: c.Help})
	}
	return out
}

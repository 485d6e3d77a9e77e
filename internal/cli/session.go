package cli

import (
	"context"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"

	"bkp/internal/debuglog"
	"bkp/internal/engine"
	"bkp/internal/event"
	jsonui "bkp/internal/ui/json"
	"bkp/internal/ui/text"
	"bkp/lang"
	"bkp/providers"
	"bkp/providers/all"
)

// session is one command's run: its streams, flags and configuration.
type session struct {
	globals

	ctx     context.Context //nolint:containedctx // lives as long as the command
	io      IO
	values  []lang.Value
	version string
	// usage is the hint for a usage error that has none of its own.
	usage  string
	page   text.Page // standard error
	out    text.Page // standard output
	json   *jsonui.Stream
	config *lang.Config
	// eng works on config.
	eng *engine.Engine
	// lockTimeout is the flag of commands that take the state folder.
	lockTimeout time.Duration
	// offline commands touch nothing but the configuration.
	offline bool
	// full shows what repeats, too.
	full bool
	// unset lets variables have no value.
	unset bool
	// acceptChangedHome is the flag of plan and apply.
	acceptChangedHome bool
	// identities and acceptUnencrypted are flags of what reads backups.
	identities        []string
	acceptUnencrypted bool
	// reported are all diagnostics so far, for views that print them again.
	reported hcl.Diagnostics
}

func (s *session) stream() *jsonui.Stream {
	if s.json == nil {
		s.json = jsonui.NewStream(s.io.Out)
	}
	return s.json
}

// read reads the configuration.
func (s *session) read() (*lang.Config, hcl.Diagnostics) {
	config, diags := lang.Load(".", lang.Options{Registry: all.Registry(), Values: s.values, Version: s.version, Offline: s.offline, Unset: s.unset})
	if config != nil {
		debuglog.Hide(s.ctx, config.Secrets()...)
	}
	return config, diags
}

// load reads the configuration. Its diagnostics are printed here, and an error
// among them ends the command.
func (s *session) load() error {
	config, diags := s.read()
	if err := s.report(config, diags); err != nil {
		return err
	}
	s.config = config
	return nil
}

// loadRecords is load for a command that reads the state folder alone: secrets
// and all else that this shell or this machine does not know are not needed,
// unless the place of the folder depends on them.
func (s *session) loadRecords() error {
	s.offline, s.unset = true, true
	config, diags := s.read()
	if diags.HasErrors() || !config.StateDirKnown() {
		return s.loadWhole()
	}
	s.config = config
	return s.report(config, diags)
}

// loadArchives is load for a command that uses nothing but archives, and what they
// refer to.
func (s *session) loadArchives() error {
	return s.loadPart(func(config *lang.Config, address string) bool {
		return slices.ContainsFunc(config.Instances, func(i *lang.Instance) bool {
			return slices.ContainsFunc(i.Shelves(), func(to providers.Ref[providers.Archiver]) bool {
				c, _ := config.Component(to.Address)
				return to.Address == address || c != nil && slices.Contains(c.Refers, address)
			})
		})
	})
}

// loadComponents is load for a command that does not log in to Bitbucket: a
// restore must not fail because the secrets of the backup's account are lost, or
// those of who would be notified.
func (s *session) loadComponents() error {
	return s.loadPart(func(config *lang.Config, address string) bool {
		c, ok := config.Component(address)
		return ok && !c.Kind.About().Reports
	})
}

// loadPart is load for a command that uses, besides the URLs of the instances,
// only some components. What this shell does not know of others is no error.
func (s *session) loadPart(uses func(config *lang.Config, address string) bool) error {
	s.offline, s.unset = true, true
	config, diags := s.read()
	s.offline, s.unset = false, false
	if diags.HasErrors() || !config.StateDirKnown() {
		return s.load()
	}
	for address, open := range config.Open() {
		_, isComponent := config.Component(address)
		if isComponent && uses(config, address) || !isComponent && slices.Contains(open, "url") {
			return s.load()
		}
	}
	s.config = config
	return s.report(config, diags)
}

// loadWhole is load after loadRecords, for what turned out to need all.
func (s *session) loadWhole() error {
	s.offline, s.unset = false, false
	return s.load()
}

// decide reads the configuration for a command that decides about a backup:
// checks of the team that fail stop it, and warnings are shown.
func (s *session) decide() error {
	if err := s.load(); err != nil {
		return err
	}
	return s.report(s.config, s.config.Review())
}

// sink shows the events of a run, or of several.
func (s *session) sink(several bool) (event.Sink, func()) {
	view, done := s.view(several)
	return logged{view, s.ctx}, done
}

// view shows events on the streams of the session.
func (s *session) view(several bool) (event.Sink, func()) {
	if s.JSON {
		return s.stream(), func() {}
	}
	var width func() int
	if s.page.Width > 0 {
		width = func() int { return s.io.page(s.io.Err, true).Width }
	}
	run := text.NewRun(s.io.Err, s.page.Style, width)
	run.Several = several
	return run, run.Close
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/hashicorp/hcl/v2"

	"bkp/internal/bitbucket"
	"bkp/internal/catalog"
	"bkp/internal/event"
	"bkp/internal/host"
	"bkp/internal/plan"
	"bkp/internal/planner"
	"bkp/internal/problem"
	"bkp/internal/retention"
	"bkp/internal/state"
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
	page    text.Page // standard error
	out     text.Page // standard output
	json    *jsonui.Stream
	config  *lang.Config
	// offline commands touch nothing but the configuration.
	offline bool
	// unlockAt is the address that the operator gave for unlocking, or "".
	unlockAt string
	// unset lets variables have no value.
	unset bool
	// acceptChangedHome is the flag of plan and apply; acceptedHomes names the
	// instances for which a saved plan has it.
	acceptChangedHome bool
	acceptedHomes     map[string]bool
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
	return lang.Load(".", lang.Options{Registry: all.Registry(), Values: s.values, Version: s.version, Offline: s.offline, Unset: s.unset})
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

// loadWhole is load after loadRecords, for what turned out to need all.
func (s *session) loadWhole() error {
	s.offline, s.unset = false, false
	return s.load()
}

// decide reads the configuration for a command that decides about a backup:
// checks of the team that fail stop it, and doubts are shown.
func (s *session) decide() error {
	if err := s.load(); err != nil {
		return err
	}
	return s.report(s.config, s.config.Review())
}

func (s *session) journalDir() string { return filepath.Join(s.config.StateDir, "journal") }

// guardianDir has a record of each guardian that goes on without its bkp.
func (s *session) guardianDir() string { return filepath.Join(s.config.StateDir, "guardian") }

func (s *session) catalog() catalog.Catalog {
	return catalog.Catalog{Dir: filepath.Join(s.config.StateDir, "catalog")}
}

func (s *session) workDir(i *lang.Instance, address string) string {
	return state.Work(s.config.StateDir, i.Name, i.URL, address)
}

// runLock takes the state folder for this run; the kernel lets it go when the
// process ends in any way.
func (s *session) runLock() (*flock.Flock, error) {
	if err := makePrivate(s.config.StateDir); err != nil {
		return nil, problem.Wrap(err, "state folder not writable", "run as a user who may write there, or set state_dir")
	}
	l := flock.New(filepath.Join(s.config.StateDir, "lock"), flock.SetPermissions(0o600), flock.SetFlag(os.O_CREATE|os.O_RDONLY|host.NonBlock))
	ok, err := l.TryLock()
	if err != nil {
		return nil, problem.Wrap(err, "state folder not writable", "run as a user who may write there, or set state_dir")
	}
	if !ok {
		return nil, fmt.Errorf("%w in %s", errRunning, s.config.StateDir)
	}
	return l, nil
}

// client talks to the instance where it is surest to answer.
func (s *session) client(i *lang.Instance) (*bitbucket.Client, error) {
	return s.clientAt(i, i.Addresses()[0])
}

func (s *session) clientAt(i *lang.Instance, address string) (*bitbucket.Client, error) {
	return bitbucket.New(bitbucket.Config{
		URL: address, Direct: i.MaintenanceURL != "", Username: i.Username, Password: i.Password, Token: i.Token, CAFile: i.CAFile,
		UserAgent: "bkp/" + s.version,
	})
}

// records are what the state folder says of earlier runs, read once for all
// instances.
type records struct {
	entries []catalog.Entry
	proven  map[catalog.Subject]catalog.Drill
}

// records of an offline command are empty. What cannot be read is no reason not
// to plan: list tells of it.
func (s *session) records() records {
	if s.offline {
		return records{}
	}
	entries, _ := s.catalog().List()
	proven, err := s.catalog().Proven()
	if err != nil {
		s.doubtDrill(err)
	}
	return records{entries, proven}
}

func (s *session) request(o *opened, known records) planner.Request {
	r := planner.Request{
		Name: o.instance.Name, Address: o.instance.Address, URL: o.instance.URL,
		DrainTimeout: o.instance.Lock.DrainTimeout, Budget: o.instance.Lock.Budget, Grace: o.instance.Lock.Grace,
		Observer: o.client, Parts: o.parts, Archives: o.archives, Refers: s.refers(o.instance),
		Open: s.config.Open(), StateDir: s.config.StateDir, Disk: &host.Host{}, Now: time.Now,
	}
	r.AcceptChangedHome = s.acceptChangedHome || s.acceptedHomes[o.instance.Name]
	if !s.offline {
		r.MaxProofAge = o.instance.Drill.MaxAge
		r.History, r.Elsewhere = known.history(o.instance)
		if d, ok := known.proven[catalog.Subject{Instance: o.instance.Name, URL: o.instance.URL}]; ok {
			r.LastProven = &plan.Proof{Backup: string(d.Backup), At: d.At}
		}
	}
	if ret, ok := s.config.Retention(o.instance.Retention.Address); ok {
		r.Retention = &planner.Retention{Address: ret.Address, Policy: retention.Policy{KeepLast: ret.KeepLast, MinSize: ret.MinSize}}
	}
	return r
}

// sink shows the events of a run.
func (s *session) sink() (event.Sink, func()) {
	if s.JSON {
		return s.stream(), func() {}
	}
	var width func() int
	if s.page.Width > 0 {
		width = func() int { return s.io.page(s.io.Err, true).Width }
	}
	run := text.NewRun(s.io.Err, s.page.Style, width)
	return run, run.Close
}

// interruptedBy replaces the bare cancellation of a signal by its reason.
func interruptedBy(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) && !errors.Is(err, errInterrupted) {
		return fmt.Errorf("%w: %w", errInterrupted, err)
	}
	return err
}

// history are the good backups of an instance, and how many there are of others
// of its name, by their URL.
func (r records) history(i *lang.Instance) (own []providers.Manifest, elsewhere map[string]int) {
	elsewhere = map[string]int{}
	for _, e := range r.entries {
		switch m := e.Manifest; {
		case m.Of(i.Name, i.URL):
			own = append(own, m)
		case m.Instance == i.Name:
			elsewhere[m.URL]++
		}
	}
	return own, elsewhere
}

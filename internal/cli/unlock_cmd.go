package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"bkp/internal/apply"
	"bkp/internal/bitbucket"
	"bkp/internal/catalog"
	"bkp/internal/event"
	"bkp/internal/journal"
	"bkp/internal/problem"
	"bkp/internal/recovery"
	"bkp/lang"
	"bkp/providers"
)

type unlockCmd struct {
	URL string `name:"url" placeholder:"URL" help:"Address of the instance, or of a node itself past its proxy, instead of the configured ones."`
}

// Help is shown by bkp unlock --help.
func (unlockCmd) Help() string {
	return `Looks through the journal for runs that were interrupted while they held a lock,
cancels or completes their backup task, unlocks, and checks that the instance is
back in service. It does nothing to a lock that no run of this state folder took.

The instance is found by its name. The address that the run used is tried first, then
its maintenance_url and its url. --url replaces them all.

Examples:
  bkp unlock
  bkp unlock --url http://node1.example.com:7990

` + exitCodes
}

func (c *unlockCmd) Run(ctx context.Context, s *session) error {
	if s.unlockAt = strings.TrimRight(c.URL, "/"); s.unlockAt != "" {
		if u, err := url.Parse(s.unlockAt); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return usagef("--url %s is not an http or https address", c.URL)
		}
	}
	if err := s.load(); err != nil {
		return s.stillLockedThough(err)
	}
	lock, err := s.runLock()
	if err != nil {
		return s.stillLocked(err)
	}
	defer func() { _ = lock.Unlock() }()
	runs, unreadable := journal.Unfinished(s.journalDir())
	found, err := s.releaseAll(ctx, runs)
	if !found && unreadable == nil {
		s.say("no run of this state folder holds a lock")
	}
	return asOne(err, unreadableJournal(unreadable))
}

// stillLocked adds to what kept bkp from looking after runs that were cut off
// that one may have left its instance locked, if it may: whoever reads the exit
// code is not to believe that all is well.
func (s *session) stillLocked(err error) error {
	if s.running() {
		return err // a run that lives is not cut off, and unlocks
	}
	if _, closed := journal.IDs(s.journalDir()); closed != nil {
		return err // nothing is known of any run
	}
	runs, unreadable := journal.Unfinished(s.journalDir())
	if unreadable == nil && !slices.ContainsFunc(runs, func(r journal.Run) bool { return r.MayBeLocked }) {
		return err
	}
	return fmt.Errorf("%w: %w", apply.ErrMayBeLocked, err)
}

// stillLockedThough is stillLocked for a configuration that could not be loaded,
// such as for a variable that is not set at boot, and where the state folder is
// known all the same.
func (s *session) stillLockedThough(err error) error {
	s.offline, s.unset = true, true
	config, diags := s.read()
	s.offline, s.unset = false, false
	if diags.HasErrors() || !config.StateDirKnown() {
		return err
	}
	s.config = config
	if still := s.stillLocked(err); errors.Is(still, apply.ErrMayBeLocked) {
		s.doubt("a run was cut off, and may have left its instance locked", "mend the configuration, then:\n\n    bkp unlock")
		return still
	}
	return err
}

// releaseAll unlocks what runs left locked. One that cannot be unlocked does
// not keep the others from it.
func (s *session) releaseAll(ctx context.Context, runs []journal.Run) (found bool, err error) {
	for _, r := range runs {
		if r.MayBeLocked {
			found = true
			err = asOne(err, s.releaseRun(ctx, r))
		}
	}
	return found, err
}

func unreadableJournal(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", apply.ErrMayBeLocked,
		problem.Wrap(err, "the journal cannot be read", "see the file; move it away once nothing is locked"))
}

// releaseRun unlocks what one run left locked.
func (s *session) releaseRun(ctx context.Context, r journal.Run) error {
	err := s.release(ctx, r)
	if err != nil && !errors.Is(err, recovery.ErrUnrecorded) {
		return errors.Join(fmt.Errorf("%w: run %s", apply.ErrMayBeLocked, r.ID), err)
	}
	if err == nil {
		s.say("instance.%s is unlocked; run %s had left it locked", r.Instance, r.ID)
	}
	return err
}

func (s *session) release(ctx context.Context, r journal.Run) error {
	inst, ok := s.config.Instance(r.Instance)
	if !ok {
		return problem.New("cannot be unlocked", fmt.Sprintf("run %s locked instance %s at %s, which the configuration does not have any more", r.ID, r.Instance, r.URL),
			"put the instance back into the configuration, under that name, then:\n\n    bkp unlock")
	}
	addresses, all := s.answering(ctx, inst, s.addresses(inst, r))
	for i, address := range addresses {
		err := s.releaseAt(ctx, r, inst, address, time.Duration(len(addresses)-i))
		if err == nil || errors.Is(err, recovery.ErrUnrecorded) {
			return err
		}
		all = append(all, fmt.Errorf("%s: %w", address, err))
	}
	return asOne(all...)
}

// answerTimeout is how long an address may take to answer while others are
// there to be tried.
const answerTimeout = 10 * time.Second

// answering leaves out the addresses at which nobody answers now, with the
// reasons, unless that is so of all: then each gets its time.
func (s *session) answering(ctx context.Context, inst *lang.Instance, all []string) (some []string, silent []error) {
	if len(all) == 1 {
		return all, nil
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	failures := make([]error, len(all))
	var g errgroup.Group
	for i, address := range all {
		g.Go(func() error {
			client, err := s.clientAt(inst, address)
			if err == nil {
				defer client.Close()
				_, _, err = client.LockOwner(ctx)
			}
			failures[i] = err
			return nil
		})
	}
	_ = g.Wait() // the failures are kept by address
	for i, err := range failures {
		if err == nil {
			some = append(some, all[i])
			continue
		}
		silent = append(silent, fmt.Errorf("%s: %w", all[i], err))
	}
	if len(some) == 0 {
		return all, nil
	}
	return some, silent
}

func (s *session) releaseAt(ctx context.Context, r journal.Run, inst *lang.Instance, address string, share time.Duration) error {
	client, err := s.clientAt(inst, address)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, recovery.Timeout/share)
	defer cancel()
	if address == r.Asked || address == s.unlockAt {
		return recovery.Release(ctx, s.journalDir(), r, client)
	}
	return recovery.Release(ctx, s.journalDir(), r, otherAddress{client, address})
}

// otherAddress is an address that may be that of another instance of the same name,
// such as of another environment: that it is not locked, or that the token does
// not fit, does not prove that the run's instance was released.
type otherAddress struct {
	*bitbucket.Client
	address string
}

// Release implements recovery.Releaser. It succeeds if the token fits.
func (e otherAddress) Release(ctx context.Context, l bitbucket.Lease) error {
	if _, _, err := e.LockOwner(ctx); err != nil {
		return err
	}
	err := e.Client.Release(ctx, l)
	if errors.Is(err, bitbucket.ErrLost) {
		return e.other()
	}
	return err
}

// LockOwner implements recovery.Releaser. Not locked is an error.
func (e otherAddress) LockOwner(ctx context.Context) (bitbucket.Owner, bool, error) {
	owner, locked, err := e.Client.LockOwner(ctx)
	if err == nil && !locked {
		err = e.other()
	}
	return owner, locked, err
}

func (e otherAddress) other() error {
	return problem.New("it is not known to be the instance that was locked", fmt.Sprintf("the run did not lock it at %s", e.address),
		"if it is the same instance:\n\n    bkp unlock --url "+e.address)
}

// addresses are where the instance of a run can be asked. The token is sent
// nowhere but to what the configuration, the journal or the operator names. The
// address that gave it comes before a url that may have been changed since.
func (s *session) addresses(inst *lang.Instance, r journal.Run) []string {
	if s.unlockAt != "" {
		return []string{s.unlockAt}
	}
	var out []string
	for _, a := range []string{r.Asked, inst.MaintenanceURL, r.URL, inst.URL} {
		if a != "" && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// putRight finishes what runs that were killed left behind, before a new one
// begins, and tells how many there were. The caller holds the run lock.
func (s *session) putRight(ctx context.Context) (found int, err error) {
	runs, unreadable := journal.Unfinished(s.journalDir())
	// Users first, and then whatever takes time.
	_, err = s.releaseAll(ctx, runs)
	if err := asOne(err, unreadableJournal(unreadable)); err != nil {
		return len(runs), err
	}
	if len(runs) > 0 {
		if err := s.catalog().Clean(); err != nil {
			return len(runs), err
		}
	}
	for _, r := range runs {
		if s.foreign(r) {
			s.doubt(fmt.Sprintf("run %s of instance %s at %s was interrupted, and what it left is not cleaned up: this configuration has another URL for that instance", r.ID, r.Instance, r.URL),
				"run bkp recover with the configuration, or the file of values, that made the run")
			continue
		}
		if err := s.settle(ctx, r); err != nil {
			return len(runs), err
		}
		if err := recovery.Discard(ctx, s.journalDir(), r, s.finder(r)); err != nil {
			return len(runs), err
		}
		s.say("run %s was cut off; what it left was cleaned up", r.ID)
	}
	return len(runs), nil
}

// foreign reports whether a run was of an instance that the configuration has by
// its name, and at another URL, as two environments have that share a state
// folder. Its working copy is not that of the instance.
func (s *session) foreign(r journal.Run) bool {
	inst, ok := s.config.Instance(r.Instance)
	return ok && r.URL != "" && inst.URL != r.URL
}

// settle puts a backup on the list as stored that was stored when its run was cut
// off, before the catalog was told.
func (s *session) settle(ctx context.Context, r journal.Run) error {
	e, err := s.catalog().Get(r.ID)
	if err != nil || e.Status != catalog.Captured {
		return nil // there is nothing good, or nothing to add
	}
	inst, ok := s.config.Instance(r.Instance)
	if !ok {
		return nil
	}
	o, err := s.open(inst, event.Discard{}, 1)
	if err != nil {
		return err
	}
	defer o.close()
	stored, all := []providers.Stored{}, true
	for _, a := range o.archives {
		list, _, err := a.Archiver.List(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list, func(m providers.Manifest) bool { return m.ID == r.ID })
		if i < 0 {
			all = false
			continue
		}
		stored = append(stored, list[i].Stored...)
		e.Manifest = list[i] // with its digests
	}
	if len(stored) == 0 {
		return nil
	}
	e.Manifest.Stored = stored
	if all {
		e.Status, e.Error = catalog.Complete, ""
	}
	return s.catalog().Put(e)
}

// kept is a component whose traces stay: they are the only copy of a good
// backup.
type kept struct{ providers.Strategy }

// Discard implements recovery.Discarder.
func (k kept) Discard(ctx context.Context, _ providers.BackupID) error {
	if s, ok := k.Strategy.(providers.Sweeper); ok {
		return s.Sweep(ctx)
	}
	return nil
}

// holds returns a function that reports whether what a component made for a run
// must stay, because a backup on the list needs it.
func (s *session) holds(id providers.BackupID) func(address string) bool {
	e, err := s.catalog().Get(id)
	if err != nil {
		return func(string) bool { return false }
	}
	return e.Holds
}

// finder opens the components that a run had started.
func (s *session) finder(r journal.Run) func(string) recovery.Discarder {
	found, holds := map[string]recovery.Discarder{}, s.holds(r.ID)
	for _, i := range s.config.Instances {
		if i.Name != r.Instance {
			continue
		}
		o, err := s.open(i, event.Discard{}, 1)
		if err != nil {
			continue
		}
		for address, st := range o.strategies {
			found[address] = st
			if holds(address) {
				found[address] = kept{st}
			}
		}
		for address, a := range o.archivers {
			found[address] = a
		}
	}
	return func(address string) recovery.Discarder {
		if d, ok := found[address]; ok {
			return d
		}
		return nil
	}
}

// say prints a line about what was done.
func (s *session) say(format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if s.JSON {
		s.stream().Emit(event.Event{Time: time.Now(), Kind: event.Note, Message: message})
		return
	}
	_, _ = fmt.Fprintln(s.io.Err, message)
}

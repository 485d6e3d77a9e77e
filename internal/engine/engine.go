package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"bkp/internal/bitbucket"
	"bkp/internal/engine/planner"
	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/internal/records/state"
	"bkp/lang"
	"bkp/providers"
)

// ErrInterrupted is the cause when the operator ended the command.
var ErrInterrupted = errors.New("interrupted")

// ErrFound is the error when a finding that was shown stops what was asked for.
var ErrFound = errors.New("reported")

// Front shows what the engine finds and does. It is called from one goroutine at
// a time, but for Checked.
type Front interface {
	// Sink takes the events of a run or restore, or those of the runs of several
	// instances at the same time; done is called at the end of all.
	Sink(several bool) (sink event.Sink, done func())
	// Note is a line about what was done.
	Note(message string)
	// Warn is a line about what does not stop the engine, and what to do about it.
	Warn(message, remedy string)
	// Found shows findings where they belong.
	Found(findings []planner.Finding)
	// Checked says that so many of all instances were looked at.
	Checked(n, all int)
}

// Engine works on one configuration. Its methods MUST NOT be called at the same
// time.
type Engine struct {
	Config  *lang.Config
	Version string
	Front   Front
	// Packer streams trees to other machines.
	Packer providers.Packer
	// Offline engines touch nothing but the configuration.
	Offline bool
	// AcceptChangedHome turns the errors of a home that changed into warnings.
	AcceptChangedHome bool
	// Identities are files with secret keys, to decrypt backups with.
	Identities []string
	// AcceptUnencrypted lets an archive that encrypts give back what is not.
	AcceptUnencrypted bool
	// Hurry ends when the operator will not wait for cleaning up.
	Hurry context.Context //nolint:containedctx // a second lifetime beside those of the calls

	// LockTimeout is how long a command waits for another run to end.
	LockTimeout time.Duration

	holder holder
	// accepted names the instances for which a saved plan has AcceptChangedHome.
	accepted map[string]bool
}

func (eng *Engine) note(format string, args ...any) { eng.Front.Note(fmt.Sprintf(format, args...)) }

func (eng *Engine) warn(message, remedy string) { eng.Front.Warn(message, remedy) }

// warnOf shows an error that stops nothing.
func (eng *Engine) warnOf(err error) {
	if err != nil {
		eng.warn(err.Error(), problem.Remedy(err))
	}
}

// found shows findings; an error among them gives ErrFound.
func (eng *Engine) found(list []planner.Finding) error {
	eng.Front.Found(list)
	if slices.ContainsFunc(list, func(f planner.Finding) bool { return f.Severity == problem.Error }) {
		return ErrFound
	}
	return nil
}

func (eng *Engine) journalDir() string { return filepath.Join(eng.Config.StateDir, "journal") }

// guardianDir has a record of each guardian that goes on without its bkp.
func (eng *Engine) guardianDir() string { return filepath.Join(eng.Config.StateDir, "guardian") }

// Catalog is the list of backups.
func (eng *Engine) Catalog() catalog.Catalog {
	return catalog.Catalog{Dir: filepath.Join(eng.Config.StateDir, "catalog")}
}

func (eng *Engine) workDir(i *lang.Instance, address string) string {
	return state.Work(eng.Config.StateDir, i.Name, i.URL, address)
}

// client talks to the instance where it is surest to answer.
func (eng *Engine) client(i *lang.Instance) (*bitbucket.Client, error) {
	return eng.clientAt(i, i.Addresses()[0])
}

func (eng *Engine) clientAt(i *lang.Instance, address string) (*bitbucket.Client, error) {
	return bitbucket.New(bitbucket.Config{
		URL: address, Direct: i.MaintenanceURL != "", Username: i.Username, Password: i.Password, Token: i.Token, CAFile: i.TLS.CAFile,
		UserAgent: "bkp/" + eng.Version,
	})
}

// makePrivate makes a folder that only this user may enter. One that is there
// is left as it is.
func makePrivate(dir string) error { return os.MkdirAll(dir, 0o700) }

// logFile takes the tools' own output of a run; only this user may read it.
func (eng *Engine) logFile(id providers.BackupID) (*os.File, error) {
	dir := filepath.Join(eng.Config.StateDir, "logs")
	if err := makePrivate(dir); err != nil {
		return nil, problem.Wrap(err, "state folder not writable", "run as a user who may write there, or set state_dir")
	}
	return os.OpenFile(eng.logPath(id), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}

func (eng *Engine) logPath(id providers.BackupID) string {
	return filepath.Join(eng.Config.StateDir, "logs", string(id)+".log")
}

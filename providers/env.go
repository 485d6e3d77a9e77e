package providers

import (
	"io"

	"bkp/internal/host"
)

// Env is what a strategy gets besides its own configuration.
type Env struct {
	// Address of the component.
	Address string
	// WorkDir is the component's own folder below the state folder. It stays
	// between runs. It may not exist: the first writer makes it, mode 0700;
	// Check MUST NOT.
	WorkDir string
	// Host runs commands and describes file systems.
	Host *host.Host
	// Instance is what strategies of one instance know of each other.
	Instance Instance
	// Keepers are the strategies of the instance whose artifacts may stay with them,
	// by address, for archives; nil for others.
	Keepers map[string]Keeper
	// OnProgress, if not nil, receives how far a verb has come. It is called
	// often, from several goroutines.
	OnProgress func(Progress)
	// Log, if not nil, takes a tool's own output, for the run's log file. It may
	// be written to from several goroutines.
	Log io.Writer
	// Warn, if not nil, takes a line for the operator about something that
	// does not stop the run.
	Warn func(message string)
	// Far reads trees of other machines, for archives; nil where there are none.
	Far Far
	// Open opens what the references of the configuration lead to: see Ref. It is
	// nil where nothing can be referred to.
	Open Opener
	// Identities are files with secret keys that the operator gave for this run.
	Identities []string
	// AcceptUnencrypted says that the operator restores from an archive that
	// encrypts what is not encrypted.
	AcceptUnencrypted bool
	// Parallelism is how many workers a strategy may use; at least 1.
	Parallelism int
}

// Instance is what a strategy may know about the instance that uses it.
type Instance struct {
	Name string
	// URL is its base URL.
	URL string
	// Home is the folder of the instance's home on this machine, or "".
	Home string
	// HomeAddress is the address of the home, or "" if none is declared.
	HomeAddress string
	// EmbeddedDatabase is true when the declared database lies inside the home
	// (see Definition.Inside): its files then belong to the home's capture.
	EmbeddedDatabase bool
	// Database is the one that is declared.
	Database Database
	// Stays is set if no archive of the instance reads trees: what is captured stays with
	// its strategy, or is not kept at all.
	Stays bool
	// HasMeshNodes is true when repositories may lie on Mesh nodes instead of in the home.
	HasMeshNodes bool
	// Folders belong to the home's capture, too: see Housed.
	Folders []Folder
}

// Database is what the definition of the instance's database says of it.
type Database struct {
	// Address of the component, "" if none is declared.
	Address string
	// Engines are those of Definition.Engines.
	Engines []string
	// Empty is set if nothing is captured of it.
	Empty bool
}

// Progress is how far a verb has come. Totals of 0 are unknown.
type Progress struct {
	Files, Bytes           int64
	TotalFiles, TotalBytes int64
}

// Report passes p on, if anyone listens.
func (e Env) Report(p Progress) {
	if e.OnProgress != nil {
		e.OnProgress(p)
	}
}

// Warning passes a line to the operator, if anyone listens.
func (e Env) Warning(message string) {
	if e.Warn != nil {
		e.Warn(message)
	}
}

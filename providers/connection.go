package providers

import (
	"context"
	"io"
	"time"
)

// Connection reaches another machine, on which strategies run: see Placed. It
// starts programs there, and knows nothing of what they say. Its methods may be
// called from several goroutines.
type Connection interface {
	// Machine names the machine, for messages: it touches nothing.
	Machine() string

	// Start runs a script of the POSIX shell there. What the stream reads is the
	// script's standard output, what is written to it its standard input. It
	// holds nothing secret: it stands in the lists of processes. The error is for a
	// program of this machine that cannot be started; the rest comes from the stream.
	// When ctx ends, so does the program that connects.
	Start(ctx context.Context, script string) (Stream, error)

	// Explain turns what a stream ended with into a problem with a remedy; err is not
	// nil.
	Explain(err error) error

	// Settings say how bkp is run there.
	Settings() ConnectionSettings
}

// Stream is a script that runs on another machine. Close ends its input and waits
// until it has ended, not for long.
type Stream interface {
	io.ReadWriteCloser

	// Wait returns how the script, or the program that connects, ended; nil for the
	// exit code 0. It waits for that.
	Wait() error
}

// ConnectionSettings are what connections have in common. They embed it.
type ConnectionSettings struct {
	StateDir string        `hcl:"state_dir,optional" help:"folder on that machine for bkp itself and for working copies: programs must be allowed to run there"`
	Install  bool          `hcl:"install,optional" help:"bring bkp there if it is missing or of another version"`
	Sudo     bool          `hcl:"sudo,optional" help:"run bkp there as root, by sudo without a password"`
	Timeout  time.Duration `hcl:"timeout,optional" help:"how long that machine may be silent: after it, either side counts the other as lost, and what is unfinished there is discarded"`
}

// ConnectionDefaults are the values of settings that are left out.
func ConnectionDefaults() ConnectionSettings {
	return ConnectionSettings{StateDir: "/var/lib/bkp", Install: true, Timeout: 20 * time.Second}
}

// Connections is the kind of machines.
var Connections = NewKind[Connection]("connection", About{
	Summary: "how another machine is reached, to run a strategy there", Plural: "connections",
	Unchecked: "that the machine can be reached, and that bkp runs there",
})

// Placed is embedded by the configuration of a strategy that can run on another
// machine. The strategy itself does not know: the engine opens it there.
type Placed struct {
	On Ref[Connection] `hcl:"on,optional" kind:"connection" help:"the machine on which this runs: all paths are paths there" unset:"the machine that runs bkp"`
}

// Place is the connection to the machine; its Address is "" for this machine.
func (p Placed) Place() Ref[Connection] { return p.On }

// Placeable is a configuration that embeds Placed.
type Placeable interface{ Place() Ref[Connection] }

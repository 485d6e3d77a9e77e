package providers

import "time"

// Undoer is a strategy whose Capture makes something that MUST NOT outlast bkp,
// such as a frozen file system.
type Undoer interface {
	// Undo returns what ends it for b. It is asked before the lock. If bkp dies or
	// hangs while it holds the lock, the guardian runs the commands, all at the
	// same time and each for at most UndoTimeout, before it unlocks. They MUST be
	// harmless where nothing is to be undone. Discard undoes it, too: a machine
	// may lose its guardian as well.
	Undo(b BackupID) []UndoCommand
}

// UndoTimeout is how long a command of Undo may take. Bitbucket waits for the
// unlock meanwhile.
const UndoTimeout = 10 * time.Second

// UndoCommand is a tool to run, without a shell. It is plain data: it passes to
// the guardian by a pipe that nobody else reads.
type UndoCommand struct {
	// Name of the tool, an absolute path or looked up on PATH.
	Name string   `json:"name"`
	Args []string `json:"args,omitempty"`
	// Env is added to the little that every tool gets; see host.Command.
	Env []string `json:"env,omitempty"`
	// Secrets are values in Env that no message may show.
	Secrets []string `json:"secrets,omitempty"`
	// Timeout is shorter than UndoTimeout, or 0.
	Timeout time.Duration `json:"timeout,omitempty"`
}

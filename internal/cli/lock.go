package cli

import "time"

// lockFlags are those of commands that take the state folder.
type lockFlags struct {
	LockTimeout time.Duration `placeholder:"DURATION" help:"Wait up to DURATION, such as 30m, for another run to end. Default: do not wait."`
}

package cli

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"bkp/internal/engine"
)

// Main runs a command line with this process's signals: the first one cancels
// the command, which unlocks and cleans up; the second ends the cleaning up.
// Neither ends the unlock.
func Main(args []string, in io.Reader, out, err io.Writer) int {
	crashDistinctly()
	umask := private()
	ctx, cancel := context.WithCancelCause(context.Background())
	hurry, hurryUp := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	// A reader of the output that goes away (`bkp apply | head`) must not end
	// a run that holds the lock: its writes fail, and that is all.
	signal.Ignore(syscall.SIGPIPE)
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			case <-signals:
				if n == 0 {
					cancel(engine.ErrInterrupted)
				} else {
					hurryUp(engine.ErrInterrupted)
				}
			}
		}
	}()
	code := Run(ctx, args, IO{In: in, Out: out, Err: err, Hurry: hurry, Umask: umask})
	signal.Stop(signals)
	close(done)
	<-ended
	cancel(nil)
	hurryUp(nil)
	return code
}

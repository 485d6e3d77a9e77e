package cli

import (
	"context"
	"log/slog"
	"os"
	"runtime"

	"bkp/internal/debuglog"
	"bkp/internal/event"
)

// openLog opens the debug log that the environment asks for, before the folder is
// changed: its path is relative to where the command was started.
func openLog(ctx context.Context, streams IO) (context.Context, *debuglog.Log, []string) {
	l, warnings := debuglog.Open(os.Getenv, streams.Err)
	return debuglog.With(ctx, l), l, warnings
}

// began logs what runs: the command alone, since its arguments may hold values of
// variables.
func (s *session) began(command string) {
	debuglog.From(s.ctx).Info("bkp", "version", s.version, "go", runtime.Version(), "platform", runtime.GOOS+"/"+runtime.GOARCH,
		"pid", os.Getpid(), "run", command)
}

// logged writes events to the debug log, too.
type logged struct {
	event.Sink

	ctx context.Context //nolint:containedctx // carries the log, as long as the command runs
}

// Emit implements event.Sink. Progress is left out.
func (l logged) Emit(e event.Event) {
	if e.Kind != event.StepProgress {
		debuglog.Event(l.ctx, levelOf(e.Kind), e.Time, string(e.Kind), "instance", e.Instance, "node", e.Node, "address", e.Address,
			"phase", e.Phase, "message", e.Message, "error", e.Error, "took", e.Elapsed)
	}
	l.Sink.Emit(e)
}

func levelOf(k event.Kind) slog.Level {
	switch k {
	case event.StepFailed, event.MayBeLocked:
		return slog.LevelError
	case event.Warning:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

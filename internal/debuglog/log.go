package debuglog

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"
)

// The variables of the environment that the log is controlled by.
const (
	Variable     = "BKP_LOG"
	PathVariable = "BKP_LOG_PATH"
)

// off is the word for no log, as is the empty one.
const off = "off"

// Levels are the words that BKP_LOG may be, the most detailed first.
func Levels() []string { return []string{"debug", "info", "warn", "error", off} }

// Log is an open log. Its zero value logs nothing.
type Log struct {
	logger *slog.Logger
	hidden *hidden
	queue  *queue
	file   io.Closer
}

// Open returns the log that the environment asks for, by BKP_LOG, into the file
// BKP_LOG_PATH or else to stderr. It is never nil, and the caller closes it. The
// warnings are about what is asked for and is not possible: that costs nobody a backup.
func Open(getenv func(string) string, stderr io.Writer) (l *Log, warnings []string) {
	word := strings.ToLower(strings.TrimSpace(getenv(Variable)))
	if word == "" || word == off {
		return &Log{}, nil
	}
	level := slog.LevelDebug
	// UnmarshalText alone takes words such as "info+2", too.
	if !slices.Contains(Levels(), word) || level.UnmarshalText([]byte(word)) != nil {
		warnings = append(warnings, fmt.Sprintf("%s is %q, which is no level; taken as debug. Levels: %s", Variable, word, strings.Join(Levels(), ", ")))
		level = slog.LevelDebug
	}
	l = &Log{hidden: &hidden{}}
	to := stderr
	if path := getenv(PathVariable); path != "" {
		f, err := openFile(path)
		if err != nil {
			warnings = append(warnings, fmt.Sprintf("nothing is logged, since the file of %s cannot be written: %v", PathVariable, err))
			return &Log{}, warnings
		}
		to, l.file = f, f
	}
	l.queue = newQueue(to)
	l.logger = slog.New(slog.NewTextHandler(l.queue, &slog.HandlerOptions{Level: level, ReplaceAttr: l.hidden.attribute}))
	return l, warnings
}

// openFile opens a file to append to, which nobody but this user may read.
func openFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY|nonBlock, 0o600)
}

// lastLines is how long Close waits for lines that are not written yet.
const lastLines = 2 * time.Second

// Close writes what is left, for two seconds at most. It may be called twice.
func (l *Log) Close() {
	if l.queue == nil || !l.queue.close(lastLines) {
		return // the file is left to a writer that hangs
	}
	if l.file != nil {
		_ = l.file.Close()
	}
}

type key struct{}

// With returns a context that carries the log.
func With(ctx context.Context, l *Log) context.Context {
	if l == nil || l.logger == nil {
		return ctx
	}
	return context.WithValue(ctx, key{}, l)
}

// nowhere logs nothing.
var nowhere = slog.New(slog.DiscardHandler)

// On reports whether the context carries a log.
func On(ctx context.Context) bool {
	_, on := ctx.Value(key{}).(*Log)
	return on
}

// Event logs what happened at a time. Attributes that are empty are left out.
func Event(ctx context.Context, level slog.Level, at time.Time, message string, pairs ...any) {
	log := From(ctx)
	if !log.Enabled(ctx, level) {
		return
	}
	r := slog.NewRecord(at, level, message, 0)
	for i := 0; i+1 < len(pairs); i += 2 {
		if v := slog.AnyValue(pairs[i+1]); !v.Equal(slog.StringValue("")) && !v.Equal(slog.DurationValue(0)) {
			r.AddAttrs(slog.Attr{Key: fmt.Sprint(pairs[i]), Value: v})
		}
	}
	_ = log.Handler().Handle(ctx, r)
}

// From is the logger of a context; one that logs nothing if it carries none.
func From(ctx context.Context) *slog.Logger {
	if l, ok := ctx.Value(key{}).(*Log); ok {
		return l.logger
	}
	return nowhere
}

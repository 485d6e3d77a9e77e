package debuglog

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"bkp/internal/secret"
)

// Tool logs a program that was run: what with, its exit code (-1 if it did not end by
// itself), how long it took, and the error if there is one. Secrets are taken out.
func Tool(ctx context.Context, argv []string, code int, err error, begun time.Time, secrets ...secret.String) {
	log := From(ctx)
	if !log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	line := log.With("argv", words(argv, secrets), "exit", code, "took", took(begun))
	if err != nil {
		line = line.With("error", secret.Redact(err.Error(), secrets...))
	}
	line.Debug("tool")
}

// words are a command line to read; words with blanks are quoted.
func words(argv []string, secrets []secret.String) string {
	var out []string
	for _, word := range argv {
		word = secret.Redact(word, secrets...)
		if word == "" || strings.ContainsAny(word, " \t\n\"'") {
			word = strconv.Quote(word)
		}
		out = append(out, word)
	}
	return strings.Join(out, " ")
}

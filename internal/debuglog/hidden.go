package debuglog

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"

	"bkp/internal/secret"
)

// Hide takes secrets out of every line of the context's log from now on, also as they
// are written in addresses and in base64.
func Hide(ctx context.Context, secrets ...secret.String) {
	if l, ok := ctx.Value(key{}).(*Log); ok {
		l.hidden.add(secrets)
	}
}

// shortest is how long a secret must be, in bytes, to be looked for in lines: a shorter
// one is in many words, and they would give it away by what is missing.
const shortest = 4

// hidden are the secrets of a log.
type hidden struct {
	mu    sync.RWMutex
	known map[string]bool
	// forms are all spellings of all of them, the longest first: one may begin with
	// another.
	forms    []string
	replacer *strings.Replacer
}

func (h *hidden) add(secrets []secret.String) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range secrets {
		v := s.Reveal()
		if len(v) < shortest || h.known[v] {
			continue
		}
		if h.known == nil {
			h.known = map[string]bool{}
		}
		h.known[v] = true
		h.forms = append(h.forms, v, url.QueryEscape(v), url.PathEscape(v), base64.StdEncoding.EncodeToString([]byte(v)))
	}
	slices.SortStableFunc(h.forms, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(h.forms))
	for _, form := range h.forms {
		pairs = append(pairs, form, secret.Hidden)
	}
	h.replacer = strings.NewReplacer(pairs...)
}

func (h *hidden) redact(text string) string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.replacer == nil {
		return text
	}
	return h.replacer.Replace(text)
}

// attribute is a part of a line without secrets. It is called before the handler
// quotes what it writes.
func (h *hidden) attribute(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString:
		return slog.String(a.Key, h.redact(a.Value.String()))
	case slog.KindAny:
		if a.Key == slog.LevelKey {
			return a
		}
		return slog.String(a.Key, h.redact(fmt.Sprint(a.Value.Any())))
	default:
		return a
	}
}

package postgresql

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"bkp/internal/host"
)

// runRestore runs pg_restore, which ends at the first error: that is the reason,
// and not its last words, which are the statement's end. A pg_restore of version
// 17 or newer begins each session with a setting that an older server does not
// know: that one error is none.
func (s *strategy) runRestore(ctx context.Context, client tool, args []string, server version) error {
	newer := client.version >= withTransactionTimeout && server < withTransactionTimeout
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	said := &restoreErrors{fail: func() {}}
	if newer {
		said.fail = func() { cancel(errors.New("first error")) }
	} else {
		args = append([]string{"--exit-on-error"}, args...)
	}
	env, err := s.writable(ctx)
	if err != nil {
		return err
	}
	err = s.runToolTo(ctx, client, s.restorePassfile(), args, said, env...)
	var exit *host.ExitError
	switch {
	case err == nil || newer && errors.As(err, &exit) && exit.Code == 1 && said.harmless():
		return nil
	case said.reason() != "":
		return fmt.Errorf("%s: %s", client.path, said.reason())
	default:
		return err
	}
}

const (
	// harmlessSetting is what a server before version 17 does not know.
	harmlessSetting   = "transaction_timeout"
	harmlessStatement = "Command was: SET " + harmlessSetting + " = 0;"
)

// restoreErrors reads what pg_restore says line by line, and reports the first
// error that is not about the harmless setting. The server words its errors in
// its own language, but the name of the setting stays.
type restoreErrors struct {
	fail func()

	mu          sync.Mutex
	part, first string
	passed      bool
}

// Write implements io.Writer.
func (r *restoreErrors) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.part += string(p)
	for {
		line, rest, whole := strings.Cut(r.part, "\n")
		if !whole {
			return len(p), nil
		}
		r.part = rest
		r.line(line)
	}
}

func (r *restoreErrors) line(line string) {
	_, message, isError := strings.Cut(line, ": error: ")
	isStatement := strings.HasPrefix(line, "Command was: ")
	switch {
	case !isError && !isStatement:
	case isStatement && line == harmlessStatement:
		r.passed = true
	case isError && strings.HasPrefix(message, "could not execute query: ") && strings.Contains(message, harmlessSetting):
	case r.first == "":
		r.first = line
		r.fail()
	}
}

// harmless reports whether there was an error, and none but the harmless one.
func (r *restoreErrors) harmless() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.passed && r.first == ""
}

// reason is the first error, "" if there was none.
func (r *restoreErrors) reason() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first
}

// both writes to all writers that are there.
func both(a, b io.Writer) io.Writer {
	if a == nil {
		return b
	}
	return io.MultiWriter(a, b)
}

// writable is the environment in which pg_restore can write although the role or
// the database has default_transaction_read_only. Proxies refuse options, so they
// are given only then.
func (s *strategy) writable(ctx context.Context) ([]string, error) {
	conn, err := s.connect(ctx, s.cfg.Database)
	if err != nil {
		return nil, err
	}
	defer func() { _ = closeConn(ctx, conn) }()
	only, err := names(ctx, conn, "SELECT current_setting('default_transaction_read_only')")
	if err != nil || only[0] == "off" {
		return nil, err
	}
	return []string{"PGOPTIONS=-c default_transaction_read_only=off"}, nil
}

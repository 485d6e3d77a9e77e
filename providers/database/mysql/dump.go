package mysql

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"

	"bkp/internal/host"
	"bkp/providers"
	"bkp/providers/database"
)

// dumpName is the dump's file in an artifact's tree.
const dumpName = "dump.sql.zst"

// dump is a dump tool at work. The caller that starts one MUST call end.
type dump struct {
	id     providers.BackupID
	cancel context.CancelFunc
	// proven is closed at the first sign that the snapshot is taken.
	proven <-chan struct{}
	// done is closed when the tool has ended and its file is closed. err and
	// at are set before.
	done chan struct{}
	err  error
	// written counts the bytes of SQL.
	written atomic.Int64
	// longest is the length of the longest line of SQL, in bytes.
	longest atomic.Int64
}

// start starts the tool. It outlives ctx, which is that of a step: only end
// and the end of this process stop it.
func (s *strategy) start(ctx context.Context, b providers.BackupID, t tool) (*dump, error) {
	partial, options := s.partial(b), s.optionFile(b)
	if err := os.RemoveAll(partial); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(partial, 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(partial, dumpName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	// One worker at the lowest level is quicker than the tools write, and
	// leaves the machine to the users, who are back.
	packed, err := zstd.NewWriter(file, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err == nil {
		err = s.writeOptionFile(options, t)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	proof := newSignal()
	d := &dump{id: b, cancel: cancel, proven: proof.c, done: make(chan struct{})}
	out := &sink{next: packed, count: &d.written, longest: &d.longest, proof: proof}
	words := &speech{proof: proof, log: s.env.Log}
	go func() {
		defer close(d.done)
		defer cancel()
		_, err := s.env.Host.Run(ctx, host.Command{
			Name: t.path, Args: s.dumpArgs(t, options), Env: toolEnv(options),
			Stdout: out, Stderr: words, Secrets: s.secrets(),
		})
		// What could not be written is the cause of all that follows.
		written := errors.Join(out.close(), file.Close())
		if d.err = written; written == nil {
			d.err = words.explain(err)
		}
		d.err = errors.Join(d.err, removeIfThere(options))
	}()
	return d, nil
}

// end stops the tool, if it still runs, and waits.
func (d *dump) end() {
	d.cancel()
	<-d.done
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// signal is given once.
type signal struct {
	once sync.Once
	c    chan struct{}
}

func newSignal() *signal { return &signal{c: make(chan struct{})} }

func (s *signal) give() { s.once.Do(func() { close(s.c) }) }

// definition begins the first table's part of a dump.
const definition = "\n-- Table structure for table "

// sink takes the dump as it comes, and looks for the first table in it.
type sink struct {
	count   *atomic.Int64
	longest *atomic.Int64
	proof   *signal

	// mu guards what follows: what a killed tool leaves behind may still write
	// when the sink is closed.
	mu   sync.Mutex
	next *zstd.Encoder
	// seen is the end of what came before, until the first table came.
	seen  []byte
	found bool
	// line is the length of the line that has not ended yet.
	line int64
	err  error
}

// Write implements io.Writer. Its error ends the tool.
func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	s.count.Add(int64(len(p)))
	s.search(p)
	s.measure(p)
	n, err := s.next.Write(p)
	s.err = err
	return n, err
}

func (s *sink) search(p []byte) {
	if s.found {
		return
	}
	s.seen = append(s.seen, p...)
	if s.found = bytes.Contains(s.seen, []byte(definition)); s.found {
		s.proof.give()
	}
	if tail := len(s.seen) - len(definition); tail > 0 {
		s.seen = append([]byte(nil), s.seen[tail:]...)
	}
}

// measure notes the longest line. The tools write an INSERT on one line, and
// escape the line ends in its values.
func (s *sink) measure(p []byte) {
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			s.line += int64(len(p))
			p = nil
		} else {
			s.line += int64(end)
			p = p[end+1:]
		}
		s.longest.Store(max(s.longest.Load(), s.line))
		if end >= 0 {
			s.line = 0
		}
	}
}

// close ends the file, and returns the first error of writing it.
func (s *sink) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.err = os.ErrClosed
	return s.next.Close()
}

// structure is what the tool says before it asks for a table's definition.
const structure = "-- Retrieving table structure for table "

// speechLines is how many of the tool's last words an error repeats.
const speechLines = 4

// speech takes the tool's error output, line by line.
type speech struct {
	proof *signal
	log   io.Writer
	words []string
}

// Write implements io.Writer for whole lines.
func (s *speech) Write(p []byte) (int, error) {
	line := strings.TrimSpace(string(p))
	if strings.HasPrefix(line, structure) {
		s.proof.give()
	}
	// What --verbose says begins as a comment of SQL does.
	if line != "" && !strings.HasPrefix(line, "-- ") {
		s.words = append(s.words, line)
		s.words = s.words[max(0, len(s.words)-speechLines):]
		if s.log != nil {
			_, _ = io.WriteString(s.log, line+"\n")
		}
	}
	return len(p), nil
}

// explain gives the tool's own words in place of the last lines that it said,
// most of them about its progress.
func (s *speech) explain(err error) error {
	var exit *host.ExitError
	if errors.As(err, &exit) && len(s.words) > 0 {
		return &host.ExitError{Tool: exit.Tool, Code: exit.Code, Stderr: strings.Join(s.words, "; ")}
	}
	return err
}

// wait waits until the dump has ended, or stops it when ctx ends or nothing
// comes any more.
func (s *strategy) wait(ctx context.Context, d *dump) error {
	written := func() providers.Progress { return providers.Progress{Files: 1, Bytes: d.written.Load()} }
	return database.Watch(ctx, s.env.Report, written, func(ctx context.Context) error {
		select {
		case <-d.done:
			return d.err
		case <-ctx.Done():
			d.end()
			return context.Cause(ctx)
		}
	})
}

package connection

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"
	"time"

	"bkp/internal/host"
	"bkp/providers"
)

// leaving is how long a program may take to end after its input has ended: the
// machine behind it may have to discard something.
const leaving = 30 * time.Second

// Start runs a program as the stream of a connection. Its error output goes to the
// error of Wait.
func Start(ctx context.Context, h *host.Host, c host.Command) providers.Stream {
	ctx, cancel := context.WithCancel(ctx)
	inRead, inWrite := io.Pipe()
	outRead, outWrite := io.Pipe()
	s := &stream{in: inWrite, out: outRead, cancel: cancel, ended: make(chan struct{})}
	c.Stdin, c.Stdout, c.Unread = inRead, outWrite, true
	go func() {
		defer close(s.ended)
		defer cancel()
		_, s.err = h.Run(ctx, c)
		_ = inRead.Close()
		_ = outWrite.Close()
	}()
	return s
}

type stream struct {
	in     *io.PipeWriter
	out    *io.PipeReader
	cancel context.CancelFunc
	once   sync.Once
	ended  chan struct{}
	err    error
}

func (s *stream) Read(p []byte) (int, error)  { return s.out.Read(p) }
func (s *stream) Write(p []byte) (int, error) { return s.in.Write(p) }

// Wait implements providers.Stream.
func (s *stream) Wait() error {
	<-s.ended
	return s.err
}

// Close implements providers.Stream. The other side sees the end of its input, and
// leaves by itself; what it still says is dropped.
func (s *stream) Close() error {
	s.once.Do(func() {
		_ = s.in.Close()
		go func() { _, _ = io.Copy(io.Discard, s.out) }()
		late := time.AfterFunc(leaving, s.cancel)
		defer late.Stop()
		<-s.ended
	})
	return nil
}

// Quote is text as one word of whatever shell the other machine has. It has
// neither lines nor backslashes.
func Quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// Shell are the words that run a script on the other machine, as root if so
// configured.
func Shell(s providers.ConnectionSettings, script string) []string {
	words := []string{"/bin/sh", "-c", script}
	if s.Sudo {
		words = append([]string{"sudo", "-n", "--"}, words...)
	}
	return words
}

// Validate is what is wrong with settings.
func Validate(s providers.ConnectionSettings) []providers.ConfigProblem {
	var out []providers.ConfigProblem
	if !path.IsAbs(s.StateDir) || strings.ContainsAny(s.StateDir, "\\'\"\n$`!") {
		out = append(out, providers.ConfigProblem{
			Attribute: "state_dir", Summary: "path is not absolute", Detail: fmt.Sprintf("%q is no path that every shell takes as it is", s.StateDir),
			Remedy: "use an absolute path of letters and digits, such as /var/lib/bkp",
		})
	}
	if s.Timeout < time.Second {
		out = append(out, providers.ConfigProblem{
			Attribute: "timeout", Summary: "timeout is too short", Detail: fmt.Sprintf("%s is less than a busy machine needs to answer", s.Timeout),
			Remedy: "give at least 1s; 20s is usual",
		})
	}
	return out
}

package tds

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// Handler answers.
type Handler interface {
	// Login returns an Error to refuse.
	Login(l Login) error

	// Batch carries out SQL. ctx ends when the client gives up or goes away. say sends a
	// message at once. An Error is answered; any other error cuts the connection.
	Batch(ctx context.Context, l Login, sql string, say func(text string)) (Reply, error)
}

// Reply is a set of rows, or nothing.
type Reply struct {
	Columns []string
	Rows    [][]string
}

// Null is the value of a field that has none.
const Null = "\x00null"

// Error is one of the server's.
type Error struct {
	Number  int32
	Message string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%s (%d)", e.Message, e.Number) }

// Server listens on a free port of 127.0.0.1.
type Server struct {
	handler  Handler
	listener net.Listener
	tls      *tls.Config
	ctx      context.Context //nolint:containedctx // the life of the server, which ends what its connections do
	end      context.CancelFunc
	all      sync.WaitGroup
	sessions atomic.Int64

	mu     sync.Mutex
	faults []*Fault
	conns  map[net.Conn]Login
}

// Start listens; the caller closes it. With a certificate, connections are encrypted if the
// client asks for it; without one, the server refuses to.
func Start(h Handler, certificate *tls.Certificate) (*Server, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{handler: h, listener: l, conns: map[net.Conn]Login{}}
	if certificate != nil {
		s.tls = &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true} // tickets would come after the handshake's packets
	}
	s.ctx, s.end = context.WithCancel(context.Background())
	s.all.Go(s.accept)
	return s, nil
}

// Port is where it listens.
func (s *Server) Port() int { return s.listener.Addr().(*net.TCPAddr).Port } //nolint:forcetypeassert // it is one

// Logins are those of the clients that are connected.
func (s *Server) Logins() []Login {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Login
	for _, l := range s.conns {
		out = append(out, l)
	}
	return out
}

// Sever cuts every connection, as a server that dies.
func (s *Server) Sever() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close()
	}
}

// Close ends everything, and waits for it. Idempotent.
func (s *Server) Close() error {
	s.end()
	err := s.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	s.Sever()
	s.all.Wait()
	return err
}

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = Login{}
		s.mu.Unlock()
		s.all.Go(func() {
			s.serve(c)
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		})
		if s.ctx.Err() != nil { // Close may have severed all before this one came
			_ = c.Close()
		}
	}
}

func (s *Server) known(c net.Conn, l Login) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = l
}

package nfs

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// relay passes what comes to a port of this machine on to an address, each piece a
// delay later than it came, and returns the port. Its pieces overlap, as packets on
// a long way do: it delays, and does not slow down.
func relay(t testing.TB, to string, delay time.Duration) int {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			var dialer net.Dialer
			there, err := dialer.DialContext(t.Context(), "tcp", to)
			if err != nil {
				_ = from.Close()
				continue
			}
			all.Go(func() { pass(from, there, delay) })
			all.Go(func() { pass(there, from, delay) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return l.Addr().(*net.TCPAddr).Port
}

// piece is what arrived at once, and when it is to go on.
type piece struct {
	data []byte
	due  time.Time
}

// pass copies one direction until either end closes, and closes both.
func pass(from io.ReadCloser, to io.WriteCloser, delay time.Duration) {
	pieces := make(chan piece, 1024)
	var writer sync.WaitGroup
	writer.Go(func() {
		defer func() { _ = to.Close() }()
		for p := range pieces {
			if wait := time.Until(p.due); wait > 0 {
				<-time.After(wait)
			}
			if _, err := to.Write(p.data); err != nil {
				_ = from.Close()
			}
		}
	})
	for {
		buf := make([]byte, 64<<10)
		n, err := from.Read(buf)
		if n > 0 {
			pieces <- piece{buf[:n], time.Now().Add(delay)}
		}
		if err != nil {
			break
		}
	}
	close(pieces)
	writer.Wait()
	_ = from.Close()
}

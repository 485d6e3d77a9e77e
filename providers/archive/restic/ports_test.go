package restic

import (
	"net"
	"strconv"
	"testing"
)

// freePort is one of 127.0.0.1 that nobody uses now.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// waitForPort waits until somebody listens.
func waitForPort(t *testing.T, port int) {
	t.Helper()
	for t.Context().Err() == nil {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			_ = c.Close()
			return
		}
	}
}

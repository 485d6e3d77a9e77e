package sqlserver

import (
	"context"
	"errors"
	"net"
)

// errClosed is why a session that was closed is no longer alive.
var errClosed = errors.New("the connection was closed")

// dialer notices that a connection is lost: the driver does not end its queue of messages
// then, so that a statement would wait for ever.
type dialer struct{ lost context.CancelCauseFunc }

// DialContext implements mssql.Dialer.
func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return watched{c, d.lost}, nil
}

// watched reports the first error of a connection.
type watched struct {
	net.Conn
	lost context.CancelCauseFunc
}

// Read implements net.Conn.
func (w watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil {
		w.lost(err)
	}
	return n, err
}

// Write implements net.Conn.
func (w watched) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	if err != nil {
		w.lost(err)
	}
	return n, err
}

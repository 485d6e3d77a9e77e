package remote

import (
	"io"
	"time"

	"github.com/hashicorp/yamux"
)

// heartbeat is how a session is looked after, by both sides alike: a side that does
// not answer within the timeout is lost. A question is put after a third of it, and
// the answer has to come within half of it.
func heartbeat(timeout time.Duration) *yamux.Config {
	c := yamux.DefaultConfig()
	c.EnableKeepAlive, c.KeepAliveInterval, c.ConnectionWriteTimeout = true, timeout/3, timeout/2
	c.StreamOpenTimeout, c.StreamCloseTimeout = timeout, timeout
	c.MaxStreamWindowSize = 4 << 20
	c.LogOutput = io.Discard
	return c
}

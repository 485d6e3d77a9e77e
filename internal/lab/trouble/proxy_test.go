package trouble_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"bkp/internal/cli"
)

// proxy stands between bkp and a server.
type proxy struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	conns []*net.TCPConn
	// stalled: nothing passes until it is closed; nil for free passage.
	stalled chan struct{}
	wg      sync.WaitGroup
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p := &proxy{listener: l, to: to}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		p.resume()
		_ = l.Close()
		p.reset()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.to)
		if err != nil {
			_ = in.Close()
			continue
		}
		a, b := in.(*net.TCPConn), out.(*net.TCPConn)
		p.mu.Lock()
		p.conns = append(p.conns, a, b)
		p.mu.Unlock()
		p.wg.Go(func() { p.pass(a, b) })
		p.wg.Go(func() { p.pass(b, a) })
	}
}

// pass copies one way, and waits while it is stalled.
func (p *proxy) pass(from, to *net.TCPConn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		stalled := p.stalled
		p.mu.Unlock()
		if stalled != nil {
			<-stalled
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				_ = from.Close()
				return
			}
		}
		if errors.Is(err, io.EOF) {
			_ = to.CloseWrite()
			return
		}
		if err != nil {
			_ = to.Close()
			return
		}
	}
}

// reset breaks all connections with a reset.
func (p *proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.SetLinger(0)
		_ = c.Close()
	}
	p.conns = nil
}

// stall lets nothing pass for so long.
func (p *proxy) stall(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled == nil {
		p.stalled = make(chan struct{})
		time.AfterFunc(d, p.resume)
	}
}

func (p *proxy) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled != nil {
		close(p.stalled)
		p.stalled = nil
	}
}

// usesDatabase are the moments at which bkp talks to the database.
var usesDatabase = map[string]bool{"live pass": true, "warm": true, "lock call": true, "capture": true, "unlock": true, "dump": true}

// TestNetworkInTrouble breaks every connection, or lets nothing pass for some
// time, at every phase, between bkp and the instance and between bkp and the
// database. Stalls of 29 and of 60 seconds are simulated by TestHours of
// internal/engine/apply.
func TestNetworkInTrouble(t *testing.T) {
	r := newRig(t)
	web := newProxy(t, strings.TrimPrefix(r.url, "http://"))
	db := newProxy(t, net.JoinHostPort(r.pg.Host(), itoa(r.pg.Port())))
	r.url = "http://" + web.listener.Addr().String()
	r.dbPort = db.listener.Addr().(*net.TCPAddr).Port
	const short = 300 * time.Millisecond
	for name, do := range map[string]func(){
		"instance, reset": web.reset, "database, reset": db.reset,
		"instance, stall": func() { web.stall(short) }, "database, stall": func() { db.stall(short) },
	} {
		t.Run(name, func(t *testing.T) {
			for i, m := range moments {
				if strings.HasPrefix(name, "database") && !usesDatabase[m.name] || strings.HasSuffix(name, "stall") && !sampled(i, 3) {
					continue
				}
				t.Run(m.name, func(t *testing.T) {
					code, said := r.at(t, m, func(*process) { do() })
					// A reset at the request to lock loses its reply.
					if code == cli.ExitMayBeLocked && m.name == "lock call" && name == "instance, reset" {
						if !strings.Contains(said, "the reply to the lock request was lost") {
							t.Errorf("it does not say what is known:\n%s", said)
						}
						r.server.Restart() // as the hint says
						return
					}
					r.free(t, said)
					switch {
					case code == cli.ExitDone:
					case !strings.HasPrefix(name, "database") || strings.HasSuffix(name, "stall"):
						t.Errorf("it was to be survived, and ends the run with %d:\n%s", code, said)
					case code != cli.ExitFailed && code != cli.ExitAfterCapture && code != cli.ExitLost:
						t.Errorf("exit code %d:\n%s", code, said)
					}
				})
			}
		})
	}
	r.sound(t)
}

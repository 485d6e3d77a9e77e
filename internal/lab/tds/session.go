package tds

import (
	"context"
	"errors"
	"net"
)

type received struct {
	kind byte
	body []byte
}

// session is one connection.
type session struct {
	server *Server
	ctx    context.Context //nolint:containedctx // the life of the connection
	in     chan received
	// attention is sent to for each cancellation.
	attention chan struct{}
	out       *packets
	number    int
	login     Login
}

func (s *Server) serve(raw net.Conn) {
	defer func() { _ = raw.Close() }()
	secure, err := s.prelogin(raw)
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	c := &session{server: s, ctx: ctx, in: make(chan received), attention: make(chan struct{}, 1), out: &packets{w: secure, kind: typeReply}, number: int(s.sessions.Add(1))}
	s.all.Go(func() {
		defer cancel()
		c.read(secure)
	})
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.attention: // too late: the batch has been answered
			c.out.add(done(doneAttention, 0))
			err = c.out.flush(true)
		case m := <-c.in:
			if m.kind == typeLogin {
				err = c.logIn(raw, m.body)
			} else {
				err = c.batch(batchText(m.body))
			}
		}
		if err != nil {
			return
		}
	}
}

// read hands on what the client sends, until it is gone.
func (c *session) read(conn net.Conn) {
	for {
		kind, body, err := readMessage(conn)
		if err != nil {
			return
		}
		switch kind {
		case typeAttention:
			c.attention <- struct{}{}
		case typeLogin, typeBatch:
			select {
			case c.in <- received{kind, body}:
			case <-c.ctx.Done():
				return
			}
		default:
			return
		}
	}
}

func (c *session) logIn(conn net.Conn, body []byte) error {
	login, err := parseLogin(body)
	if err != nil {
		return err
	}
	f := c.server.fault(AtLogin)
	if err = f.before(c.ctx); err == nil {
		err = c.server.handler.Login(login)
	}
	if err = errors.Join(err, f.after()); err != nil {
		return errors.Join(c.refuse(err), err)
	}
	login.Session = c.number
	c.login = login
	c.server.known(conn, login)
	c.out.add(acknowledged())
	c.out.add(done(0, 0))
	return c.out.flush(true)
}

// refuse answers an Error; any other stays one.
func (c *session) refuse(err error) error {
	var known *Error
	if !errors.As(err, &known) {
		return err
	}
	c.out.add(known.token())
	c.out.add(done(doneError, 0))
	return c.out.flush(true)
}

// batch carries one out. A client that gives up gets an answer when the handler has
// ended, as a server's attention is.
func (c *session) batch(sql string) error {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	type result struct {
		reply Reply
		err   error
	}
	ended := make(chan result, 1)
	said := make(chan string)
	f := c.server.fault(sql)
	c.server.all.Go(func() {
		var r result
		if r.err = f.before(ctx); r.err == nil {
			r.reply, r.err = c.server.handler.Batch(ctx, c.login, sql, func(text string) {
				select {
				case said <- text:
				case <-ctx.Done():
				}
			})
		}
		ended <- r
	})
	cancelled := false
	for {
		select {
		case text := <-said:
			c.out.add(info(text))
			if err := c.out.flush(false); err != nil {
				cancel()
				<-ended
				return err
			}
		case <-c.attention:
			cancelled = true
			cancel()
		case r := <-ended:
			if cancelled {
				c.out.add(done(doneAttention, 0))
				return c.out.flush(true)
			}
			if r.err == nil {
				r.err = f.after()
			}
			return c.answer(r.reply, r.err)
		}
	}
}

func (c *session) answer(r Reply, err error) error {
	if err != nil {
		return c.refuse(err)
	}
	c.out.add(r.rows())
	status := uint16(0)
	if len(r.Columns) > 0 {
		status = doneCount
	}
	c.out.add(done(status, len(r.Rows)))
	return c.out.flush(true)
}

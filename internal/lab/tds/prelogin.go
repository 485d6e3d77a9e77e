package tds

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
)

// Answers of a server about encryption.
const (
	encryptionOn      = 1
	encryptionMissing = 2
)

// Options of a prelogin.
const (
	optionEncryption = 1
	optionEnd        = 0xFF
)

// prelogin agrees on encryption. It returns the connection for all that follows.
func (s *Server) prelogin(raw net.Conn) (net.Conn, error) {
	f := s.fault(AtConnect)
	kind, body, err := readMessage(raw)
	if err != nil {
		return nil, err
	}
	if kind != typePrelogin {
		return nil, errors.New("the first message is no prelogin")
	}
	if err := errors.Join(f.before(s.ctx), f.after()); err != nil {
		return nil, err
	}
	encryption := byte(encryptionMissing)
	if s.tls != nil && wants(body) {
		encryption = encryptionOn
	}
	out := &packets{w: raw, kind: typeReply}
	// Version 16 at 11, encryption at 17, each with its length; then the values.
	out.add([]byte{0, 0, 11, 0, 6, optionEncryption, 0, 17, 0, 1, optionEnd, 16, 0, 16, 0, 0, 0, encryption})
	if err := out.flush(true); err != nil || encryption == encryptionMissing {
		return raw, err
	}
	// The handshake travels in packets of the protocol, and nothing after it does.
	shake := &handshake{Conn: raw, wrapped: true}
	secure := tls.Server(shake, s.tls)
	if err := secure.HandshakeContext(s.ctx); err != nil {
		return nil, err
	}
	shake.wrapped = false
	return secure, nil
}

// wants reports whether a client's prelogin asks for encryption.
func wants(body []byte) bool {
	const option = 5
	for at := 0; at+option <= len(body) && body[at] != optionEnd; at += option {
		value := int(body[at+1])<<8 | int(body[at+2])
		if body[at] == optionEncryption && value < len(body) {
			return body[value] != encryptionMissing
		}
	}
	return false
}

// handshake carries the messages of TLS in packets while wrapped is set. It is used by
// one goroutine until the handshake has ended.
type handshake struct {
	net.Conn
	wrapped bool
	unread  bytes.Buffer
}

// Read implements io.Reader.
func (h *handshake) Read(p []byte) (int, error) {
	if !h.wrapped && h.unread.Len() == 0 {
		return h.Conn.Read(p)
	}
	if h.unread.Len() == 0 {
		_, body, err := readMessage(h.Conn)
		if err != nil {
			return 0, err
		}
		h.unread.Write(body)
	}
	return h.unread.Read(p)
}

// Write implements io.Writer.
func (h *handshake) Write(p []byte) (int, error) {
	if !h.wrapped {
		return h.Conn.Write(p)
	}
	out := &packets{w: h.Conn, kind: typePrelogin}
	out.add(p)
	return len(p), out.flush(true)
}

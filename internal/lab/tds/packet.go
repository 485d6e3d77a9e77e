package tds

import (
	"encoding/binary"
	"fmt"
	"io"
	"unicode/utf16"
)

// Types of a client's messages.
const (
	typeBatch     = 1
	typeReply     = 4
	typeAttention = 6
	typeLogin     = 16
	typePrelogin  = 18
)

const (
	headerSize  = 8
	packetSize  = 4096
	lastPacket  = 1
	messageMost = 1 << 20 // of a client, in bytes
)

// readMessage reads the packets of one message.
func readMessage(r io.Reader) (kind byte, body []byte, err error) {
	var h [headerSize]byte
	for {
		if _, err = io.ReadFull(r, h[:]); err != nil {
			return 0, nil, err
		}
		size := int(binary.BigEndian.Uint16(h[2:])) - headerSize
		if size < 0 || len(body)+size > messageMost {
			return 0, nil, fmt.Errorf("a packet of %d bytes", size)
		}
		part := make([]byte, size)
		if _, err = io.ReadFull(r, part); err != nil {
			return 0, nil, err
		}
		body = append(body, part...)
		if h[1]&lastPacket != 0 {
			return h[0], body, nil
		}
	}
}

// packets writes a message in packets. The last flush of a message ends it; others only
// send what there is, so that a client sees progress while it is made.
type packets struct {
	w    io.Writer
	kind byte
	body []byte
	id   byte
}

func (p *packets) add(token []byte) { p.body = append(p.body, token...) }

func (p *packets) flush(end bool) error {
	for len(p.body) > 0 || end {
		n := min(len(p.body), packetSize-headerSize)
		last := end && n == len(p.body)
		p.id++
		h := [headerSize]byte{p.kind, 0, 0, 0, 0, 0, p.id, 0}
		if last {
			h[1] = lastPacket
		}
		binary.BigEndian.PutUint16(h[2:], uint16(n+headerSize))
		if _, err := p.w.Write(append(h[:], p.body[:n]...)); err != nil {
			return err
		}
		p.body = p.body[n:]
		if last {
			p.id = 0
			return nil
		}
	}
	return nil
}

func encode(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

func decode(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

// short is a text with its length in one byte, long one with it in two.
func short(s string) []byte {
	text := encode(s)
	return append([]byte{byte(len(text) / 2)}, text...)
}

func long(s string) []byte {
	text := encode(s)
	return append(binary.LittleEndian.AppendUint16(nil, uint16(len(text)/2)), text...)
}

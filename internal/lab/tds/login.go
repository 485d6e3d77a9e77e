package tds

import (
	"encoding/binary"
	"errors"
)

// Login is what a client says of itself.
type Login struct {
	User, Password, Program, Database string
	// Session is the number of its connection.
	Session int
}

// Places of offsets and lengths in the message of a login.
const (
	atUser     = 40
	atPassword = 44
	atProgram  = 48
	atDatabase = 68
	loginFixed = 94
)

func parseLogin(body []byte) (Login, error) {
	if len(body) < loginFixed {
		return Login{}, errors.New("the login is too short")
	}
	field := func(at int) []byte {
		from := int(binary.LittleEndian.Uint16(body[at:]))
		size := 2 * int(binary.LittleEndian.Uint16(body[at+2:]))
		if from+size > len(body) {
			return nil
		}
		return body[from : from+size]
	}
	return Login{
		User: decode(field(atUser)), Password: decode(plain(field(atPassword))),
		Program: decode(field(atProgram)), Database: decode(field(atDatabase)),
	}, nil
}

// plain undoes what hides a password from a look: halves of bytes changed places.
func plain(hidden []byte) []byte {
	const mask, half = 0xA5, 4
	out := make([]byte, len(hidden))
	for i, b := range hidden {
		b ^= mask
		out[i] = b<<half | b>>half
	}
	return out
}

// batchText is the SQL of a batch, behind headers that newer protocols have.
func batchText(body []byte) string {
	const least = 4
	if len(body) >= least {
		if n := binary.LittleEndian.Uint32(body); int64(n) <= int64(len(body)) && n >= least {
			body = body[n:]
		}
	}
	return decode(body)
}

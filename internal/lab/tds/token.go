package tds

import "encoding/binary"

// Tokens of an answer.
const (
	tokenColumns = 0x81
	tokenError   = 0xAA
	tokenInfo    = 0xAB
	tokenAck     = 0xAD
	tokenRow     = 0xD1
	tokenChange  = 0xE3
	tokenDone    = 0xFD
)

// Bits of a done token.
const (
	doneError     = 0x2
	doneCount     = 0x10
	doneAttention = 0x20
)

func sized(kind byte, body []byte) []byte {
	return append(binary.LittleEndian.AppendUint16([]byte{kind}, uint16(len(body))), body...)
}

func done(status uint16, rows int) []byte {
	const selectCommand = 0xC1
	b := binary.LittleEndian.AppendUint16([]byte{tokenDone}, status)
	b = binary.LittleEndian.AppendUint16(b, selectCommand)
	return binary.LittleEndian.AppendUint64(b, uint64(rows))
}

// Name is what the server calls itself.
const Name = "STANDIN"

func message(kind byte, number int32, class byte, text string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(number))
	b = append(b, 1, class)
	b = append(b, long(text)...)
	b = append(b, short(Name)...)
	b = append(b, short("")...)
	return sized(kind, binary.LittleEndian.AppendUint32(b, 1))
}

func (e *Error) token() []byte {
	const severity = 16
	return message(tokenError, e.Number, severity, e.Message)
}

// progress is the number of the messages of STATS.
const progress = 3211

func info(text string) []byte { return message(tokenInfo, progress, 0, text) }

// acknowledged is the answer to a login, with the version of the protocol (7.4).
func acknowledged() []byte {
	ack := append([]byte{1, 0x74, 0, 0, 4}, short("Microsoft SQL Server")...)
	out := sized(tokenAck, append(ack, 16, 0, 0x10, 0))
	const changedPacketSize = 4
	change := append(append([]byte{changedPacketSize}, short("4096")...), short("4096")...)
	return append(out, sized(tokenChange, change)...)
}

// rows are those of a reply; all columns are texts.
func (r Reply) rows() []byte {
	if len(r.Columns) == 0 {
		return nil
	}
	const (
		nvarchar = 0xE7
		most     = 8000
		null     = 0xFFFF
	)
	out := binary.LittleEndian.AppendUint16([]byte{tokenColumns}, uint16(len(r.Columns)))
	for _, name := range r.Columns {
		out = append(out, 0, 0, 0, 0, 9, 0, nvarchar) // no type of a user's, nullable
		out = binary.LittleEndian.AppendUint16(out, most)
		out = append(out, 9, 4, 0xD0, 0, 52) // collation
		out = append(out, short(name)...)
	}
	for _, row := range r.Rows {
		out = append(out, tokenRow)
		for _, value := range row {
			if value == Null {
				out = binary.LittleEndian.AppendUint16(out, null)
				continue
			}
			text := encode(value)
			out = binary.LittleEndian.AppendUint16(out, uint16(len(text)))
			out = append(out, text...)
		}
	}
	return out
}

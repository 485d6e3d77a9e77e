package remote

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// kind of a frame: one byte before its length and its content.
type kind byte

const (
	// asking opens a call, and is its only frame of that kind.
	asking kind = 'q'
	// cancelling asks the other side to end the call; its answer comes all the same.
	cancelling kind = 'c'
	// meanwhile is what the strategy says while it runs.
	meanwhile kind = 't'
	// data is part of a tree, and no more comes after dataEnd.
	data    kind = 'd'
	dataEnd kind = 'e'
	// answering is the last frame of a call.
	answering kind = 'a'
)

const (
	// maxFrame bounds what the other side may have this one hold: a manifest of many
	// artifacts is far smaller.
	maxFrame = 64 << 20
	// chunk is how much of a tree is in a frame.
	chunk = 256 << 10
)

// frames writes and reads frames on one stream. Frames may be written from several
// goroutines; they are read by one.
type frames struct {
	mu sync.Mutex
	rw io.ReadWriter
}

func (f *frames) write(k kind, content []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	head := [5]byte{byte(k)}
	binary.BigEndian.PutUint32(head[1:], uint32(len(content)))
	if _, err := f.rw.Write(append(head[:], content...)); err != nil {
		return err
	}
	return nil
}

func (f *frames) writeJSON(k kind, value any) error {
	content, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return f.write(k, content)
}

func (f *frames) read() (kind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(f.rw, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("a message of %d bytes", n)
	}
	content := make([]byte, n)
	_, err := io.ReadFull(f.rw, content)
	return kind(head[0]), content, err
}

// dataWriter writes what it gets as data frames; Close writes the end.
type dataWriter struct{ to *frames }

func (w dataWriter) Write(p []byte) (int, error) {
	for from := 0; from < len(p); from += chunk {
		if err := w.to.write(data, p[from:min(from+chunk, len(p))]); err != nil {
			return from, err
		}
	}
	return len(p), nil
}

func (w dataWriter) Close() error { return w.to.write(dataEnd, nil) }

package track

import (
	"bytes"
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// The form of what fanotify writes, from fanotify(7): a struct
// fanotify_event_metadata, and behind it records, one of them naming the
// folder by its handle, and the entry in it.
const (
	metadataSize = 24
	headerSize   = 4
	fsidSize     = 8
	handleHead   = 8 // length and type
)

// event is one change.
type event struct {
	mask uint64
	// dir is the file system's id and the folder's handle, as one key; "" for
	// an event that names no folder.
	dir handleKey
	// file is the handle of the entry, or of a file that changed under no name.
	file handleKey
	// name of the entry, "" or "." for the folder itself.
	name string
}

// handleKey is a folder's or a file's file system id, handle type and handle.
type handleKey string

func (k handleKey) fsid() string { return string(k[:fsidSize]) }

func (k handleKey) handle() unix.FileHandle {
	kind := int32(binary.NativeEndian.Uint32([]byte(k[fsidSize : fsidSize+4])))
	return unix.NewFileHandle(kind, []byte(k[fsidSize+4:]))
}

var errFormat = errors.New("the kernel's events have a form that is not known")

// parse calls yield for each event in buf.
func parse(buf []byte, yield func(event)) error {
	for len(buf) > 0 {
		if len(buf) < metadataSize {
			return errFormat
		}
		size := int(binary.NativeEndian.Uint32(buf))
		version := buf[4]
		head := int(binary.NativeEndian.Uint16(buf[6:]))
		if version != unix.FANOTIFY_METADATA_VERSION || size < metadataSize || size > len(buf) || head < metadataSize || head > size {
			return errFormat
		}
		e := event{mask: binary.NativeEndian.Uint64(buf[8:])}
		if err := e.records(buf[head:size]); err != nil {
			return err
		}
		yield(e)
		buf = buf[size:]
	}
	return nil
}

func (e *event) records(buf []byte) error {
	for len(buf) > 0 {
		if len(buf) < headerSize {
			return errFormat
		}
		kind, size := buf[0], int(binary.NativeEndian.Uint16(buf[2:]))
		if size < headerSize || size > len(buf) {
			return errFormat
		}
		key, rest, err := handleOf(buf[headerSize:size])
		switch kind {
		case unix.FAN_EVENT_INFO_TYPE_DFID_NAME, unix.FAN_EVENT_INFO_TYPE_DFID:
			e.dir = key
			name, _, _ := bytes.Cut(rest, []byte{0})
			if string(name) != "." {
				e.name = string(name)
			}
		case unix.FAN_EVENT_INFO_TYPE_FID:
			e.file = key
		default:
			err = nil // some other kind of record
		}
		if err != nil {
			return err
		}
		buf = buf[size:]
	}
	return nil
}

// handleOf reads the file system's id and the handle, and returns what follows.
func handleOf(b []byte) (handleKey, []byte, error) {
	if len(b) < fsidSize+handleHead {
		return "", nil, errFormat
	}
	length := int(binary.NativeEndian.Uint32(b[fsidSize:]))
	end := fsidSize + handleHead + length
	if length < 0 || end > len(b) {
		return "", nil, errFormat
	}
	// The key leaves out the length, which the key's own shows.
	return handleKey(b[:fsidSize]) + handleKey(b[fsidSize+4:end]), b[end:], nil
}

package host

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// ErrNotRegular is wrapped by errors about something else in the place of a
// file: a folder, a FIFO, a device.
var ErrNotRegular = errors.New("not a regular file")

// OpenRegular opens a file for reading, or what a link leads to. A FIFO in its
// place never holds up the caller, as it does with os.Open; whatever is no
// regular file gives an error that wraps ErrNotRegular.
func OpenRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|NonBlock, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is %w", path, ErrNotRegular)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// ReadRegular is os.ReadFile by OpenRegular, of a file of at most so many bytes.
func ReadRegular(path string, most int64) ([]byte, error) {
	f, err := OpenRegular(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s has more than %d bytes", path, most)
	}
	return data, err
}

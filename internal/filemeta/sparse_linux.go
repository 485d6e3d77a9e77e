package filemeta

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// DataRanges returns the parts of the file's first size bytes that hold data,
// in order; the rest are holes and read as zeros. It moves the file's offset.
// A file system that does not report holes gives one range.
func DataRanges(f *os.File, size int64) ([]Range, error) {
	var out []Range
	for pos := int64(0); pos < size; {
		start, err := f.Seek(pos, unix.SEEK_DATA)
		switch {
		case errors.Is(err, unix.ENXIO):
			return out, nil // a hole to the end
		case errors.Is(err, unix.EINVAL) || unsupported(err):
			return append(out, Range{pos, size - pos}), nil
		case err != nil:
			return nil, err
		}
		if start >= size {
			return out, nil
		}
		end, err := f.Seek(start, unix.SEEK_HOLE)
		if errors.Is(err, unix.ENXIO) {
			return out, nil // truncated meanwhile
		}
		if err != nil {
			return nil, err
		}
		end = min(end, size)
		out = append(out, Range{start, end - start})
		pos = end
	}
	return out, nil
}

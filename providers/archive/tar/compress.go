package tar

import (
	"io"
	"runtime"

	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"
)

// format is one way to compress.
type format struct {
	suffix   string
	maxLevel int
	writer   func(w io.Writer, level int) (io.WriteCloser, error)
	reader   func(r io.Reader) (io.ReadCloser, error)
}

var (
	formatZstd = format{suffix: ".tar.zst", maxLevel: 22, writer: zstdWriter, reader: zstdReader}
	formatGzip = format{suffix: ".tar.gz", maxLevel: 9, writer: gzipWriter, reader: gzipReader}
	formatNone = format{suffix: ".tar", writer: plainWriter, reader: plainReader}

	allFormats = []format{formatZstd, formatGzip, formatNone}
	formats    = map[string]format{"zstd": formatZstd, "gzip": formatGzip, "none": formatNone}
)

// maxWindow bounds the memory that reading a foreign file may take. The
// highest level writes windows of 32 MiB.
const maxWindow = 64 << 20

func zstdWriter(w io.Writer, level int) (io.WriteCloser, error) {
	l := zstd.SpeedDefault
	if level > 0 {
		l = zstd.EncoderLevelFromZstd(level)
	}
	return zstd.NewWriter(w, zstd.WithEncoderLevel(l), zstd.WithEncoderCRC(true),
		zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)), zstd.WithConcurrentBlocks(true))
}

func zstdReader(r io.Reader) (io.ReadCloser, error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}

func gzipWriter(w io.Writer, level int) (io.WriteCloser, error) {
	if level == 0 {
		level = pgzip.DefaultCompression
	}
	return pgzip.NewWriterLevel(w, level)
}

func gzipReader(r io.Reader) (io.ReadCloser, error) { return pgzip.NewReader(r) }

func plainWriter(w io.Writer, _ int) (io.WriteCloser, error) { return nopCloser{w}, nil }

func plainReader(r io.Reader) (io.ReadCloser, error) { return io.NopCloser(r), nil }

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

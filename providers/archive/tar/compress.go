package tar

import (
	"io"
	"runtime"

	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"
)

// format is one way to compress.
type format struct {
	// suffix ends the name of an object.
	suffix string
	// method is that of the sealer through which an object went after it was
	// compressed, "" for none.
	method   string
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

// Compressing parts of the stream at once takes four windows and more a core,
// so there the window is small. Two cores are busy anyway: one compresses, the
// other reads, hashes and writes.
const (
	parallelFrom   = 3
	parallelMost   = 16
	parallelWindow = 1 << 20
)

func zstdWriter(w io.Writer, level int) (io.WriteCloser, error) {
	cores := min(runtime.GOMAXPROCS(0), parallelMost)
	options := []zstd.EOption{zstd.WithEncoderCRC(true), zstd.WithEncoderConcurrency(cores)}
	if level > 0 {
		options = append(options, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)))
	}
	if cores >= parallelFrom {
		options = append(options, zstd.WithConcurrentBlocks(true), zstd.WithWindowSize(parallelWindow))
	}
	return zstd.NewWriter(w, options...)
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

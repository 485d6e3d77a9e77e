package tree

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"bkp/providers"
	"bkp/providers/archive/internal/document"
)

// header begins an index.
const header = "#mtree\n# every entry of the tree, by bkp\n"

const (
	// maxLine bounds the memory that a damaged index may take: a name, a target and
	// attributes, each escaped.
	maxLine = 4 << 20
	// maxRecord bounds that of its record.
	maxRecord = 64 << 20
)

// record ends an index: it says what the tree is a part of, so that a lost manifest
// can be made again.
type record struct {
	// Manifest is that of the backup, as far as it is known before anything is stored.
	Manifest providers.Manifest `json:"manifest"`
	// Parts are the addresses of all parts that the backup has here, sorted.
	Parts []string `json:"parts"`

	Address string `json:"address"`
	Files   int64  `json:"files"`
	Bytes   int64  `json:"bytes"`
	Holes   int64  `json:"holes"`
	// SHA256 is over all of the index before the record.
	SHA256 string `json:"sha256"`
}

// openRecord reads the record of a part of b, by the name of the part.
func openRecord(data []byte, b providers.BackupID, name string) (record, error) {
	r, err := document.Open[record]("record", data)
	if err != nil {
		return r, err
	}
	if err := document.Check(r.Manifest, b); err != nil {
		return r, err
	}
	switch {
	case len(r.Manifest.Stored) > 0:
		return r, errors.New("its manifest names archives")
	case document.PartName(r.Address) != name:
		return r, fmt.Errorf("it is of %q", r.Address)
	case !slices.Contains(r.Parts, r.Address):
		return r, fmt.Errorf("the backup has the parts %q", r.Parts)
	}
	for i, part := range r.Parts {
		if _, known := r.Manifest.Artifact(part); !known || i > 0 && r.Parts[i-1] >= part {
			return r, fmt.Errorf("the backup cannot have the parts %q", r.Parts)
		}
	}
	return r, plausible(r.part(name, providers.Object{}))
}

// part is what a manifest says of the part of this name: its tree, known by the digest of
// its lines, and its index.
func (r record) part(name string, index providers.Object) providers.Part {
	tree := providers.Object{Name: name, Bytes: r.Bytes - r.Holes, SHA256: r.SHA256}
	return providers.Part{Objects: []providers.Object{tree, index}, Files: r.Files, Bytes: r.Bytes, Holes: r.Holes}
}

func plausible(p providers.Part) error {
	if p.Files < 0 || p.Bytes < 0 || p.Holes < 0 || p.Holes > p.Bytes {
		return fmt.Errorf("it has %d entries with %d bytes, %d of them holes", p.Files, p.Bytes, p.Holes)
	}
	return nil
}

// indexWriter writes an index, and counts what it lists.
type indexWriter struct {
	w     *bufio.Writer
	all   hash.Hash
	files int64
	bytes int64
	size  int64 // of all that was written
}

func newIndexWriter(w io.Writer) *indexWriter {
	all := sha256.New()
	x := &indexWriter{w: bufio.NewWriterSize(io.MultiWriter(w, all), 64<<10), all: all, size: int64(len(header))}
	_, _ = x.w.WriteString(header) // a bufio.Writer keeps its error
	return x
}

func (x *indexWriter) add(e entry) error {
	x.files++
	if e.meta.Mode.IsRegular() && e.first == "" {
		x.bytes += e.meta.Size
	}
	n, err := x.w.WriteString(e.line())
	x.size += int64(n)
	return err
}

// end writes the record, and returns the size and the digest of the whole index.
func (x *indexWriter) end(r *record) (providers.Object, error) {
	if err := x.w.Flush(); err != nil {
		return providers.Object{}, err
	}
	r.Files, r.Bytes, r.SHA256 = x.files, x.bytes, x.digest()
	data, err := document.Seal("record", *r)
	if err != nil {
		return providers.Object{}, err
	}
	if _, err := x.w.Write(data); err != nil {
		return providers.Object{}, err
	}
	err = x.w.Flush()
	return providers.Object{Bytes: x.size + int64(len(data)), SHA256: x.digest()}, err
}

func (x *indexWriter) digest() string { return hex.EncodeToString(x.all.Sum(nil)) }

// indexReader reads what an indexWriter wrote.
type indexReader struct {
	r    *bufio.Reader
	sum  hash.Hash // over the lines
	rest []byte    // of the record, once it was met
}

// newIndexReader reads the beginning.
func newIndexReader(r io.Reader) (*indexReader, error) {
	x := &indexReader{r: bufio.NewReaderSize(r, 64<<10), sum: sha256.New()}
	begins := make([]byte, len(header))
	if _, err := io.ReadFull(x.r, begins); err != nil || string(begins) != header {
		return nil, errors.Join(errors.New("it is no index"), ignoreEnd(err))
	}
	_, _ = x.sum.Write(begins) // a hash never fails
	return x, nil
}

func ignoreEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// next returns the next line, "" when the record follows.
func (x *indexReader) next() (string, error) {
	if x.rest != nil {
		return "", nil
	}
	var line []byte
	for {
		piece, err := x.r.ReadSlice('\n')
		line = append(line, piece...)
		if len(line) > maxLine {
			return "", fmt.Errorf("a line has more than %d bytes", maxLine)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if errors.Is(err, io.EOF) {
			return "", errors.New("it ends without its record")
		}
		if err != nil {
			return "", err
		}
		break
	}
	if line[0] == '{' {
		x.rest = line
		return "", nil
	}
	_, _ = x.sum.Write(line)
	return string(line), nil
}

// record reads the record, to the end of the index. It is for who has read all lines.
func (x *indexReader) record(b providers.BackupID, name string) (record, error) {
	rest, err := io.ReadAll(io.LimitReader(x.r, maxRecord))
	if err != nil {
		return record{}, err
	}
	r, err := openRecord(append(x.rest, rest...), b, name)
	if err != nil {
		return r, fmt.Errorf("record inside: %w", err)
	}
	if sum := hex.EncodeToString(x.sum.Sum(nil)); sum != r.SHA256 {
		return r, fmt.Errorf("SHA-256 of its lines is %s, and was %s", sum, r.SHA256)
	}
	return r, nil
}

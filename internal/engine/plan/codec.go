package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/google/renameio/v2/maybe"
)

// ErrDamaged is wrapped by errors about a plan file that is not what was
// written.
var ErrDamaged = errors.New("the plan file is damaged")

// FormatError is about a plan written in another format.
type FormatError struct {
	Format int
	Tool   string
}

// Error names both formats.
func (e *FormatError) Error() string {
	return fmt.Sprintf("the plan has format %d, written by bkp %s; this version reads format %d", e.Format, e.Tool, Format)
}

type envelope struct {
	Digest string          `json:"digest"`
	Plan   json.RawMessage `json:"plan"`
}

// Encode returns the canonical form: keys sorted, a digest over the body.
func Encode(f File) ([]byte, error) {
	body, err := canonical(f)
	if err != nil {
		return nil, err
	}
	return canonical(envelope{Digest: digest(body), Plan: body})
}

// Decode reads what Encode wrote. It refuses another format, unknown fields,
// anything after the plan, and a body that does not have its digest.
func Decode(b []byte) (File, error) {
	var e envelope
	if err := strict(b, &e); err != nil {
		return File{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	body, err := canonical(e.Plan)
	if err != nil {
		return File{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if digest(body) != e.Digest {
		return File{}, fmt.Errorf("%w: its digest does not match", ErrDamaged)
	}
	// The format comes first: a newer one may have fields unknown here.
	var head struct {
		Format int    `json:"format_version"`
		Tool   string `json:"tool"`
	}
	if err := json.Unmarshal(body, &head); err != nil {
		return File{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if head.Format != Format {
		return File{}, &FormatError{Format: head.Format, Tool: head.Tool}
	}
	var f File
	if err := strict(body, &f); err != nil {
		return File{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return f, nil
}

// ErrOccupied is wrapped by errors about a file that a plan must not replace.
var ErrOccupied = errors.New("it is not a plan")

// maxReplaced bounds what is read of a file to find out whether it is a plan, in
// bytes. A plan for a thousand instances has a few MB.
const maxReplaced = 256 << 20

// Replaceable returns nil if nothing is lost when a plan takes the place of
// what is at path: nothing is there, an empty file, or an earlier plan. Otherwise
// its error wraps ErrOccupied.
func Replaceable(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", path, cause(err))
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: not a regular file: %w", path, ErrOccupied)
	case info.Size() == 0:
		return nil
	case info.Size() > maxReplaced:
		return fmt.Errorf("%s: %w", path, ErrOccupied)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, cause(err))
	}
	var format *FormatError
	if _, err := Decode(b); err != nil && !errors.As(err, &format) {
		return fmt.Errorf("%s: %w", path, ErrOccupied)
	}
	return nil
}

// Write stores the plan at path, mode 0600, by rename. It replaces nothing but
// a plan; see Replaceable. Its error names path, and not the temporary file,
// which nobody knows.
func Write(path string, f File) error {
	if err := Replaceable(path); err != nil {
		return err
	}
	b, err := Encode(f)
	if err != nil {
		return err
	}
	if err := maybe.WriteFile(path, b, 0o600); err != nil {
		return fmt.Errorf("%s: %w", path, cause(err))
	}
	return nil
}

func cause(err error) error {
	var path *os.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	default:
		return err
	}
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// canonical sorts keys by a round through a map; numbers stay as written.
func canonical(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, err
	}
	return json.Marshal(tree)
}

func strict(b []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("data follows the plan")
	}
	return nil
}

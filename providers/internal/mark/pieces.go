package mark

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Pieces writes a manifest for storages that keep short texts with a snapshot: packed,
// in letters, digits and ._- alone, cut into pieces of at most size bytes and a dozen
// more. Each begins with its number and how many there are, so that a manifest without
// one of its pieces is none.
func Pieces(manifest []byte, size int) []string {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(manifest) // a buffer takes everything
	_ = w.Close()
	var cut []string
	for rest := base64.RawURLEncoding.EncodeToString(packed.Bytes()); rest != ""; {
		n := min(size, len(rest))
		cut = append(cut, rest[:n])
		rest = rest[n:]
	}
	for i := range cut {
		cut[i] = fmt.Sprintf("%d.%d.%s", i, len(cut), cut[i])
	}
	return cut
}

// Join makes the manifest of its pieces, in any order; nil unless all are there.
// Pieces of a longer one that another took the place of count for nothing.
func Join(pieces []string) []byte {
	byNumber, count := map[int]string{}, 0
	for _, p := range pieces {
		fields := strings.SplitN(p, ".", 3)
		if len(fields) != 3 {
			return nil
		}
		n, err := strconv.Atoi(fields[0])
		of, err2 := strconv.Atoi(fields[1])
		if err != nil || err2 != nil {
			return nil
		}
		if n == 0 {
			count = of
		}
		byNumber[n] = fields[1] + "." + fields[2]
	}
	var text strings.Builder
	for n := range count {
		piece, ok := strings.CutPrefix(byNumber[n], strconv.Itoa(count)+".")
		if !ok {
			return nil
		}
		text.WriteString(piece)
	}
	return unpack(text.String())
}

func unpack(text string) []byte {
	const limit = 1 << 20 // no manifest is that large
	packed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil
	}
	out, err := io.ReadAll(io.LimitReader(r, limit))
	if err != nil {
		return nil
	}
	return out
}

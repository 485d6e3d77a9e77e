package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"html"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// needle is one form of a secret.
type needle struct{ secret, how, text string }

// needles are all forms in which a secret may be written.
func needles(secrets map[string]string) []needle {
	var out []needle
	for name, s := range secrets {
		seen := map[string]bool{}
		add := func(how, text string) {
			if !seen[text] {
				seen[text] = true
				out = append(out, needle{name, how, text})
			}
		}
		quoted, _ := json.Marshal(s)
		var plain bytes.Buffer
		e := json.NewEncoder(&plain)
		e.SetEscapeHTML(false)
		_ = e.Encode(s)
		add("as it is", s)
		add("in JSON", string(quoted[1:len(quoted)-1]))
		add("in JSON without HTML", strings.Trim(plain.String(), "\"\n"))
		add("in a password file", strings.NewReplacer(`\`, `\\`, ":", `\:`).Replace(s))
		add("in HTML", html.EscapeString(s))
		add("in an address", url.QueryEscape(s))
		add("in a path", url.PathEscape(s))
		add("in hexadecimal", hex.EncodeToString([]byte(s)))
		add("in capital hexadecimal", strings.ToUpper(hex.EncodeToString([]byte(s))))
		for shift := range 3 {
			for how, alphabet := range map[string]*base64.Encoding{"in base64": base64.RawStdEncoding, "in base64 for addresses": base64.RawURLEncoding} {
				text := alphabet.EncodeToString(append(make([]byte, shift), s...))
				// The first and last characters depend on what stands around.
				add(how, text[(shift*8+5)/6:len(text)-1])
			}
		}
	}
	return out
}

// unpacked returns the contents of a file by name: of an archive, those in it.
func unpacked(t *testing.T, path string) map[string][]byte {
	t.Helper()
	raw := mustRead(t, path)
	switch {
	case strings.HasSuffix(path, ".tar.zst"):
		r, err := zstd.NewReader(bytes.NewReader(raw))
		check(t, err)
		defer r.Close()
		out := map[string][]byte{path: raw}
		for archive := tar.NewReader(r); ; {
			h, err := archive.Next()
			if errors.Is(err, io.EOF) {
				return out
			}
			check(t, err)
			content, err := io.ReadAll(archive)
			check(t, err)
			name := path + ":" + h.Name
			out[name] = decompressed(h.Name, content)
			out[name+" (header)"] = []byte(h.Name + " " + h.Linkname)
			if h.Mode&0o077 != 0 {
				out[name+" (not private)"] = nil
			}
		}
	default:
		return map[string][]byte{path: decompressed(path, raw)}
	}
}

// decompressed undoes what pg_dump does to its data.
func decompressed(name string, content []byte) []byte {
	if !strings.HasSuffix(name, ".gz") {
		return content
	}
	r, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return content
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return content
	}
	return plain
}

// What the search looks for is found in every form.
func TestNeedles(t *testing.T) {
	s := newSecret("S3cret-test")
	quoted, err := json.Marshal(map[string]string{"a": "before " + s + " after"})
	check(t, err)
	for how, text := range map[string]string{
		"plain": "x" + s + "y", "json": string(quoted), "html": "<b>" + html.EscapeString(s) + "</b>", "query": "?a=" + url.QueryEscape(s) + "&b",
		"hex": hex.EncodeToString([]byte("ab" + s + "c")), "HEX": strings.ToUpper(hex.EncodeToString([]byte(s))),
		"basic 1": base64.StdEncoding.EncodeToString([]byte("a:" + s)), "basic 2": base64.StdEncoding.EncodeToString([]byte("ad:" + s)),
		"basic 3": base64.StdEncoding.EncodeToString([]byte("adm:" + s)), "url": base64.URLEncoding.EncodeToString([]byte("x" + s + "yz")),
	} {
		found := false
		for _, n := range needles(map[string]string{"s": s}) {
			found = found || strings.Contains(text, n.text)
		}
		if !found {
			t.Errorf("not found %s: %s", how, text)
		}
	}
}

package tree

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"bkp/internal/filemeta"
)

// entry is what an index says of one entry of a tree.
type entry struct {
	// name in the tree with slashes, "" for its root.
	name string
	meta filemeta.Meta
	// first is the other name of the file that comes first, if there is one; nothing
	// else is said of the entry then.
	first string
	// link is the target of a symbolic link, sum the SHA-256 of a file's content.
	link string
	sum  [32]byte
}

// line is the one form in which an entry is written. It is a line of mtree(5), with a
// keyword for attributes besides.
func (e entry) line() string {
	var b strings.Builder
	b.WriteString(escape("./" + e.name))
	if e.name == "" {
		b.Reset()
		b.WriteString(".")
	}
	if e.first != "" {
		fmt.Fprintf(&b, hardlinkKey+"%s\n", escape("./"+e.first))
		return b.String()
	}
	m := e.meta
	fmt.Fprintf(&b, " type=%s uid=%d gid=%d", kind(m.Mode), m.UID, m.GID)
	if m.Mode&fs.ModeSymlink == 0 { // the mode of a symbolic link means nothing
		fmt.Fprintf(&b, " mode=%04o", bits(m.Mode))
	}
	fmt.Fprintf(&b, " time=%d.%09d", m.ModTime.Unix(), m.ModTime.Nanosecond())
	switch m.Mode.Type() {
	case 0:
		fmt.Fprintf(&b, " size=%d sha256=%s", m.Size, hex.EncodeToString(e.sum[:]))
	case fs.ModeSymlink:
		fmt.Fprintf(&b, " link=%s", escape(e.link))
	case fs.ModeDevice, fs.ModeDevice | fs.ModeCharDevice:
		fmt.Fprintf(&b, " device=native,%d,%d", m.Major, m.Minor)
	default: // no more is to be said of it
	}
	for _, name := range slices.Sorted(maps.Keys(m.Xattrs)) {
		fmt.Fprintf(&b, " xattr.%s=%s", escape(name), base64.StdEncoding.EncodeToString(m.Xattrs[name]))
	}
	b.WriteByte('\n')
	return b.String()
}

func kind(m fs.FileMode) string {
	switch m.Type() {
	case fs.ModeDir:
		return "dir"
	case fs.ModeSymlink:
		return "link"
	case fs.ModeNamedPipe:
		return "fifo"
	case fs.ModeDevice:
		return "block"
	case fs.ModeDevice | fs.ModeCharDevice:
		return "char"
	default:
		return "file"
	}
}

func bits(m fs.FileMode) uint32 {
	out := uint32(m.Perm())
	for bit, is := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if m&is != 0 {
			out |= bit
		}
	}
	return out
}

// escape writes what would end a field, and what is no printable ASCII, as \ooo, as
// mtree(5) has it.
func escape(s string) string {
	plain := func(c byte) bool { return c > ' ' && c <= '~' && c != '\\' && c != '#' && c != '=' }
	var b strings.Builder
	for i := range len(s) {
		if plain(s[i]) {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, "\\%03o", s[i])
		}
	}
	return b.String()
}

// unescape is the inverse of escape. What escape never writes stays as it is.
func unescape(s string) string {
	const digits = 3
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		var c byte
		if s[i] == '\\' && len(s)-i > digits {
			if n, err := fmt.Sscanf(s[i+1:i+1+digits], "%03o", &c); n == 1 && err == nil {
				b.WriteByte(c)
				i += digits
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// nameOf is the name of the entry that a line is about.
func nameOf(line string) string {
	field, _, _ := strings.Cut(line, " ")
	return strings.TrimPrefix(strings.TrimPrefix(unescape(field), "."), "/")
}

// before orders names as a walk meets them: each folder before what it holds, and all
// that before its next neighbour.
func before(a, b string) int {
	return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
}

package tar

import (
	"archive/tar"
	"fmt"
	"io/fs"
	"math"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"bkp/internal/filemeta"
)

const xattrPrefix = "SCHILY.xattr."

// GNU tar writes names of attributes so: "=" ends the name in a record.
var (
	escapeXattr   = strings.NewReplacer("%", "%25", "=", "%3D")
	unescapeXattr = strings.NewReplacer("%25", "%", "%3D", "=")
)

// newHeader describes a file. name and link are as the archive has them; a
// hard link has link set though meta is a regular file's.
func newHeader(name, link string, m filemeta.Meta, o *owners) (*tar.Header, error) {
	h := &tar.Header{
		Name: name, Linkname: link, Format: tar.FormatPAX,
		Mode: modeBits(m.Mode), ModTime: m.ModTime, PAXRecords: map[string]string{},
	}
	if m.HasOwner {
		h.Uid, h.Gid = int(m.UID), int(m.GID)
		h.Uname, h.Gname = o.user(m.UID), o.group(m.GID)
	}
	for key, value := range m.Xattrs {
		h.PAXRecords[xattrPrefix+escapeXattr.Replace(key)] = string(value)
	}
	switch m.Mode.Type() {
	case 0:
		h.Typeflag, h.Size = tar.TypeReg, m.Size
		if link != "" {
			h.Typeflag, h.Size = tar.TypeLink, 0
		}
	case fs.ModeDir:
		h.Typeflag, h.Name = tar.TypeDir, name+"/"
	case fs.ModeSymlink:
		h.Typeflag = tar.TypeSymlink
	case fs.ModeNamedPipe:
		h.Typeflag = tar.TypeFifo
	case fs.ModeDevice:
		h.Typeflag = tar.TypeBlock
	case fs.ModeDevice | fs.ModeCharDevice:
		h.Typeflag = tar.TypeChar
	default:
		return nil, fmt.Errorf("%s: files of type %s cannot be archived", name, m.Mode.Type())
	}
	h.Devmajor, h.Devminor = int64(m.Major), int64(m.Minor)
	return h, nil
}

// metaOf is what a header says of a file.
func metaOf(h *tar.Header, o *owners) filemeta.Meta {
	m := filemeta.Meta{
		Mode: fileMode(h), UID: o.uid(h.Uname, h.Uid), GID: o.gid(h.Gname, h.Gid), HasOwner: true,
		Size: h.Size, ModTime: h.ModTime,
		Xattrs: map[string][]byte{},
	}
	for record, value := range h.PAXRecords {
		if key, ok := strings.CutPrefix(record, xattrPrefix); ok {
			m.Xattrs[unescapeXattr.Replace(key)] = []byte(value)
		}
	}
	return m
}

// written are the records that newHeader leads to, besides attributes. Others
// would change what the entry means, such as where its content goes.
var written = []string{"path", "linkpath", "size", "mtime", "uid", "gid", "uname", "gname"}

// checkMeta refuses what newHeader never writes, and what would turn into
// something else on the way: a number that does not fit its field becomes a
// smaller one, and an owner of -1 means that nothing is changed.
func checkMeta(h *tar.Header) error {
	for record := range h.PAXRecords {
		key, isXattr := strings.CutPrefix(record, xattrPrefix)
		if isXattr && !filemeta.Kept(unescapeXattr.Replace(key)) || !isXattr && !slices.Contains(written, record) {
			return fmt.Errorf("it has the record %q, which no backup has", record)
		}
	}
	for _, id := range []int{h.Uid, h.Gid} {
		if id < 0 || uint64(id) >= math.MaxUint32 {
			return fmt.Errorf("its owner %d cannot be", id)
		}
	}
	if h.Mode&^(0o777|bitSetuid|bitSetgid|bitSticky) != 0 {
		return fmt.Errorf("its mode %#o cannot be", h.Mode)
	}
	return nil
}

const (
	bitSetuid = 0o4000
	bitSetgid = 0o2000
	bitSticky = 0o1000
)

func modeBits(m fs.FileMode) int64 {
	bits := int64(m.Perm())
	if m&fs.ModeSetuid != 0 {
		bits |= bitSetuid
	}
	if m&fs.ModeSetgid != 0 {
		bits |= bitSetgid
	}
	if m&fs.ModeSticky != 0 {
		bits |= bitSticky
	}
	return bits
}

func fileMode(h *tar.Header) fs.FileMode {
	m := fs.FileMode(h.Mode & 0o777)
	if h.Mode&bitSetuid != 0 {
		m |= fs.ModeSetuid
	}
	if h.Mode&bitSetgid != 0 {
		m |= fs.ModeSetgid
	}
	if h.Mode&bitSticky != 0 {
		m |= fs.ModeSticky
	}
	switch h.Typeflag {
	case tar.TypeDir:
		m |= fs.ModeDir
	case tar.TypeSymlink:
		m |= fs.ModeSymlink
	case tar.TypeFifo:
		m |= fs.ModeNamedPipe
	}
	return m
}

// owners remembers names and numbers: looking one up reads a file or asks a
// directory server. As with GNU tar a name counts more than the number, which
// another machine may have given to somebody else.
type owners struct {
	users, groups map[uint32]string
	uids, gids    map[string]uint32
}

func newOwners() *owners {
	return &owners{
		users: map[uint32]string{}, groups: map[uint32]string{},
		uids: map[string]uint32{}, gids: map[string]uint32{},
	}
}

func (o *owners) user(id uint32) string {
	return remember(o.users, id, func() string {
		u, err := user.LookupId(strconv.FormatUint(uint64(id), 10))
		if err != nil {
			return ""
		}
		return u.Username
	})
}

func (o *owners) group(id uint32) string {
	return remember(o.groups, id, func() string {
		g, err := user.LookupGroupId(strconv.FormatUint(uint64(id), 10))
		if err != nil {
			return ""
		}
		return g.Name
	})
}

func (o *owners) uid(name string, number int) uint32 {
	return remember(o.uids, name+"\x00"+strconv.Itoa(number), func() uint32 {
		u, err := user.Lookup(name)
		if name == "" || err != nil {
			return uint32(number)
		}
		return parseID(u.Uid, number)
	})
}

func (o *owners) gid(name string, number int) uint32 {
	return remember(o.gids, name+"\x00"+strconv.Itoa(number), func() uint32 {
		g, err := user.LookupGroup(name)
		if name == "" || err != nil {
			return uint32(number)
		}
		return parseID(g.Gid, number)
	})
}

func parseID(text string, number int) uint32 {
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return uint32(number)
	}
	return uint32(id)
}

func remember[K comparable, V any](known map[K]V, key K, find func() V) V {
	if v, ok := known[key]; ok {
		return v
	}
	v := find()
	known[key] = v
	return v
}

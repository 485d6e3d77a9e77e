package providers

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// OthersDamaged is the summary of the warning that an archive is damaged, and that all of
// the backup was read and is none of what is damaged.
const OthersDamaged = "repository is damaged"

// Stored is a backup in one archive.
type Stored struct {
	// Archive is the address, such as archive.tar.local.
	Archive string `json:"archive"`
	// Location is where an operator finds it: a path or a URL.
	Location string `json:"location"`
	// Native means that the strategies keep what is stored, as the storage has it.
	Native bool `json:"native,omitempty"`
	// Elsewhere means that what is Native are copies in another place, from which a
	// strategy restores: what was captured need not stay.
	Elsewhere bool `json:"elsewhere,omitempty"`
	// Sealed says how the parts are encrypted; nil if they are not.
	Sealed *Sealed `json:"encryption,omitempty"`
	// Parts are what the archive keeps, by the address of the artifact: copies,
	// unless it is Native. An archive that only points to where the backup was
	// captured has none.
	Parts map[string]Part `json:"parts,omitempty"`
}

// Part is one artifact as an archive has it.
type Part struct {
	// Objects are what is stored, at the archive's Location: one after the other they
	// are the part. An archive that copies nothing has none.
	Objects []Object `json:"objects,omitempty"`
	// Files and Bytes are what the artifact has unpacked.
	Files int64 `json:"files,omitempty"`
	Bytes int64 `json:"bytes,omitempty"`
	// Holes are how many of Bytes are holes of sparse files, which take no space
	// when they are restored.
	Holes int64 `json:"holes,omitempty"`
	// By is the connection to the machine that stored it, "" for the one that ran bkp.
	By string `json:"stored_by,omitempty"`
	// Ref says where a native artifact lies, if that is not where it was captured.
	Ref map[string]string `json:"ref,omitempty"`
}

// Object is something that an archive stores under one name.
type Object struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	// SHA256 is the digest of these bytes in hexadecimal, or that by which a
	// repository knows them.
	SHA256 string `json:"sha256"`
}

// StoredBytes is how many bytes the part takes where it is stored.
func (p Part) StoredBytes() int64 {
	var n int64
	for _, o := range p.Objects {
		n += o.Bytes
	}
	return n
}

// Digest identifies what is stored of the part: it is that of its only object, or
// SHA-256 over the digests of all, a line each.
func (p Part) Digest() string {
	if len(p.Objects) == 1 {
		return p.Objects[0].SHA256
	}
	all := sha256.New()
	for _, o := range p.Objects {
		_, _ = fmt.Fprintln(all, o.SHA256) // a hash never fails
	}
	return hex.EncodeToString(all.Sum(nil))
}

// Space is what the part takes once it is unpacked.
func (p Part) Space() int64 { return p.Bytes - p.Holes }

// Keeps reports whether an archive holds the backup itself, and does not only
// point to where it was captured.
func (s Stored) Keeps() bool { return s.Native || len(s.Parts) > 0 }

// Copy returns what the archive has of an artifact, if that is a copy.
func (s Stored) Copy(address string) (Part, bool) {
	p, ok := s.Parts[address]
	return p, ok && !s.Native
}

// Size is how many bytes the archive has stored.
func (s Stored) Size() int64 {
	var n int64
	for _, p := range s.Parts {
		n += p.StoredBytes()
	}
	return n
}

// In returns what an archive holds of the backup.
func (m Manifest) In(archive string) (Stored, bool) {
	i := slices.IndexFunc(m.Stored, func(s Stored) bool { return s.Archive == archive })
	if i < 0 {
		return Stored{}, false
	}
	return m.Stored[i], true
}

// Part returns the copy of a component's artifact, of the first archive that has
// one.
func (m Manifest) Part(address string) (Part, bool) {
	for _, s := range m.Stored {
		if p, ok := s.Copy(address); ok {
			return p, true
		}
	}
	return Part{}, false
}

// With is m once an archive has stored it. Artifacts that it keeps natively are
// native from then on. m stays as it is.
func (m Manifest) With(s Stored) Manifest {
	m = m.Without(s.Archive)
	m.Stored = append(m.Stored, s)
	if !s.Native {
		return m
	}
	m.Artifacts = slices.Clone(m.Artifacts)
	for i, a := range m.Artifacts {
		p, kept := s.Parts[a.Address]
		if !kept {
			continue
		}
		m.Artifacts[i].Life = Native
		if p.Ref != nil {
			m.Artifacts[i].Ref = p.Ref
		}
	}
	return m
}

// Without is m once an archive does not have it any more. m stays as it is.
func (m Manifest) Without(archive string) Manifest {
	m.Stored = slices.DeleteFunc(slices.Clone(m.Stored), func(s Stored) bool { return s.Archive == archive })
	return m
}

// Earlier is an artifact of an earlier backup, and the copy that an archive has of
// it; nil if none has.
type Earlier struct {
	Artifact
	Copy *Part
}

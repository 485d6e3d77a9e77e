package tar

import (
	"errors"
	"fmt"
	"slices"

	"bkp/providers"
	"bkp/providers/archive/internal/document"
)

// record is the last entry of a part: what it is a part of, and the digest of all
// that stands before it. From the records of all parts a lost manifest can be made
// again.
type record struct {
	// Manifest is that of the backup, as far as it is known before anything is
	// stored.
	Manifest providers.Manifest `json:"manifest"`
	// Parts are the addresses of all parts that the backup has here, sorted.
	Parts []string `json:"parts"`
	// Sealed says how the parts were encrypted; nil if they were not.
	Sealed *providers.Sealed `json:"encryption,omitempty"`

	Address string `json:"address"`
	Files   int64  `json:"files"`
	Bytes   int64  `json:"bytes"`
	Holes   int64  `json:"holes"`
	// SHA256 is over the tar bytes of all entries before the record, padding
	// included.
	SHA256 string `json:"sha256"`
}

// sealRecord writes r with the digest of its own bytes.
func sealRecord(r record) ([]byte, error) { return document.Seal("record", r) }

// openRecord reads what sealRecord wrote of a part of b, by the part's name. Anything else is refused,
// no matter who wrote it.
func openRecord(data []byte, b providers.BackupID, name string) (record, error) {
	r, err := document.Open[record]("record", data)
	if err != nil {
		return r, err
	}
	if err := document.Check(r.Manifest, b); err != nil {
		return r, err
	}
	if len(r.Manifest.Stored) > 0 {
		return r, errors.New("its manifest names archives")
	}
	if document.PartName(r.Address) != name {
		return r, fmt.Errorf("it is of %q", r.Address)
	}
	for i, part := range r.Parts {
		_, known := r.Manifest.Artifact(part)
		if !known || i > 0 && r.Parts[i-1] >= part {
			return r, fmt.Errorf("the backup cannot have the parts %q", r.Parts)
		}
	}
	if !slices.Contains(r.Parts, r.Address) {
		return r, fmt.Errorf("the backup has the parts %q", r.Parts)
	}
	return r, errors.Join(plausiblePart(r.part()), plausibleDigest(r.SHA256))
}

// part is what the record says of the part's content.
func (r record) part() providers.Part {
	return providers.Part{Files: r.Files, Bytes: r.Bytes, Holes: r.Holes}
}

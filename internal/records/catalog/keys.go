package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"bkp/internal/host"
	"bkp/providers"
)

// KeyProof says when the secret key of a recipient was last seen to decrypt a
// backup in a drill.
type KeyProof struct {
	At     time.Time          `json:"at"`
	Backup providers.BackupID `json:"backup"`
}

func (c Catalog) keysPath() string { return filepath.Join(c.Dir, "keys.json") }

// Keys returns the proofs by the fingerprints of the recipients.
func (c Catalog) Keys() (map[string]KeyProof, error) {
	b, err := host.ReadRegular(c.keysPath(), maxEntry)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out map[string]KeyProof
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", c.keysPath(), err)
	}
	return out, nil
}

// PutKeys records a proof of each fingerprint, in place of an earlier one. The
// caller holds the lock of drills, or the run lock.
func (c Catalog) PutKeys(fingerprints []string, proof KeyProof) error {
	if len(fingerprints) == 0 {
		return nil
	}
	all, err := c.Keys()
	if err != nil {
		return err
	}
	if all == nil {
		all = map[string]KeyProof{}
	}
	for _, f := range fingerprints {
		all[f] = proof
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(c.keysPath(), append(b, '\n'))
}

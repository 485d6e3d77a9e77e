package importer

import (
	"regexp"
	"strings"

	"bkp/internal/hcldoc"
)

// gpgFingerprint is the environment variable for the key that the scripts named by
// something else than its fingerprint.
const gpgFingerprint = "BKP_GPG_FINGERPRINT"

// sealer is the address of the block that encrypts archives.
const sealer = "encryption.gpg.main"

var fingerprint = regexp.MustCompile(`^([0-9A-F]{40}|[0-9A-F]{64})$`)

// sealed writes the reference of an archive to the encryption of the scripts, which
// used the keyring of the user who ran them. The block itself comes after the archive.
// A name or a short id is not taken for the key: it may be somebody else's.
func (w *blockWriter) sealed(d *hcldoc.Doc, f field) {
	c := w.c
	v, set := c.first(f.variables)
	c.others(f.variables, v)
	d.Attr(f.name(), sealer, "")
	to := sealer + ".recipients"
	key := strings.TrimPrefix(strings.ToUpper(strings.ReplaceAll(v.text, " ", "")), "0X")
	expr, note := hcldoc.Quote(key), v.name
	if !v.known() || v.env != "" || !fingerprint.MatchString(key) {
		expr, note = c.needs(gpgFingerprint), "the whole fingerprint of the key: gpg --list-keys --fingerprint"
		reason := "a key is named by its whole fingerprint: set the environment variable " + gpgFingerprint
		if set {
			c.account(v, Moved, to, reason)
			note = v.name + "; " + note
		} else {
			c.entries = append(c.entries, Entry{Name: f.variables[0], Outcome: Missing, To: to, Reason: reason})
		}
	} else {
		c.account(v, Kept, to, "")
	}
	c.sealer.Blank()
	c.sealer.Comment("Each part of a backup is a tar file that gpg encrypts; gpg-zip does not open it.")
	c.sealer.Open("encryption", "gpg", "main")
	c.sealer.Attr("recipients", "["+expr+"]", note)
	c.sealer.Close()
}

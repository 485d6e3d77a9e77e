// Package gpg is the strategy encryption "gpg": archives are encrypted by the gpg
// binary, for those who have OpenPGP keys already.
//
// Recipients are named by the full fingerprints of their keys, in a keyring of bkp's
// own or in that of the user, and gpg has to trust them. An identity is a keyring,
// too: a folder with the secret key. Keys are never copied, and passphrases are
// between gpg and its agent. gpg.conf is not read: it could add recipients or
// compress.
//
// gpg gives content away before it has checked its end, so a reader of this package
// ends well only after gpg has said that nothing was changed, and has ended well
// itself.
package gpg

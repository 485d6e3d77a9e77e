// Package age is the strategy encryption "age": archives are encrypted in the format
// of age (age-encryption.org/v1), by its library.
//
// A recipient is a public key: of age itself, with or without protection from quantum
// computers, of SSH, or of a plugin (age-plugin-*, found in PATH). What belongs to a
// recipient is called by its fingerprint: an age key by itself, as age-keygen -y
// prints it; an SSH key as ssh-keygen -l prints it; one that is too long to be read,
// by its digest.
//
// The package leaves out identities with a passphrase and questions of plugins: runs
// are unattended.
package age

// Package rsync is the strategy home "rsync": the same working copy and the same
// two passes as home "mirror", made by the rsync that the operator trusts.
//
// A file that vanishes is expected while users work and an error under the
// lock. ACLs and extended attributes are kept when this rsync was built with
// them. No password is involved: source and copy are folders of this machine.
//
// A live pass whose rsync stands still ends with an error: a backup at night
// must not wait for ever.
//
// The working copy is not believed blindly: an index beside it has a digest of
// every file, which an archive compares (sealed.go).
//
// rsync compares size and mtime of every file in both trees, so its pass under
// the lock grows with the number of files, and a rewrite that keeps both goes
// unnoticed. home "mirror" has neither fault.
package rsync

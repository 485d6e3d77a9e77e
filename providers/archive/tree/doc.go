// Package tree is the strategy archive "tree": each part of a backup is a folder that
// shares its blocks with the working copy, and can be browsed and copied from.
//
// The destination is a folder of this machine, on XFS or btrfs. A backup has there
//
//	<id>/<part>/          the tree of the artifact, with owners, modes, times,
//	                      attributes, holes and hard links
//	<id>/<part>.index     what the tree holds, a line an entry in the manner of
//	                      mtree(5), and then its record: the manifest as far as it
//	                      was known, all parts that there are, and the digest of
//	                      what stands before it
//	<id>/manifest.json    the manifest, with the digest of each index
//	<id>/.<part>.partial  a tree that is being made
//	<id>/.<part>.removed  a tree or an index that is being removed
//
// in folders of mode 0700, and they alone keep other users from the trees: what is in
// them has the modes that a restore needs. The manifest is written last, when all is on disk, so a
// backup whose manifest is there is complete. It is removed first.
//
// Storing, verifying and unpacking are one walk over a tree, which makes a line of
// each entry. A file is cloned first, and then the clone is read: the digest in the index is of
// what is kept, and is compared with the record of the working copy.
//
// The package leaves out encryption and compression, and owners by name: a tree
// belongs to the machine, or to one with the same users.
package tree

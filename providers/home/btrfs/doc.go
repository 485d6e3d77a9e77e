// Package btrfs is the strategy home "btrfs": read-only snapshots of the
// subvolumes on which the home lies, taken under the lock in milliseconds
// whatever the size of the home. It runs the tool btrfs, as root, on Linux.
//
// A snapshot of a subvolume shows the subvolumes nested in it as empty folders
// (of inode 2, where roots have 256), so that those inside the home are captured
// too. btrfs takes one snapshot at a time: those of several subvolumes are of
// several generations, and only the lock makes them one instant.
//
// Snapshots lie in a folder on the file system of their subvolume, outside the
// home. Each backup has a folder there, with a record (tag.json) that says whose
// it is. A record, and no extended attribute or name, is the tag: it is there
// before the snapshot, which is read-only from its first moment and takes no
// attribute, it has room for a manifest, which an attribute of btrfs need not
// have, and it is on the disk in the same transaction as what it speaks for.
//
// Removed snapshots are freed by the file system later; nothing waits for it.
package btrfs

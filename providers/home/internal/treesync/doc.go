// Package treesync brings a copy of a folder tree up to date: what changed is
// copied, what is gone is deleted, and what stayed costs one stat of the source
// and, in the first pass of a run, one of the copy.
//
// # How a change is found
//
// A pass leaves an index beside the copy: what the source's stat said of every
// entry when it was copied. The next pass compares the source with the index,
// folder by folder: size, mtime, ctime, inode, mode and owner. Nobody can set a
// ctime, so a rewrite that sets the mtime back is found too. An entry whose
// ctime lies within racyWindow of the moment it was looked at could change
// again without a new ctime; it is marked and compared byte by byte next time.
//
// A file system of another machine is asked, and not the kernel's memory of it, for
// every entry and many at a time: see ask.go.
//
// # What the index promises
//
// The index is removed before a pass changes anything and written when the
// pass ends, also when it ends with an error: then it holds what is known to
// be in the copy, and a folder that was under work is left out. After a crash
// there is no index. A folder that the index does not hold is compared with the
// copy itself, byte by byte.
//
// Nor is the copy believed blindly: before the first pass of a run, while users
// work, every entry of it is compared with the index. A folder in which one is
// missing, was added, or differs in kind, size or mode is taken out of the
// index, and so is one with a file whose ctime is younger than the index. What
// changes below the file system, such as a bad sector, changes no ctime. It is
// found by the digest that the index has of each file's content and of each
// symbolic link's target: the reader of the copy compares (Record), and takes out
// of the index what differs (Distrust). Digests are made of what is copied or
// compared anyway; a file that the kernel cloned under the lock, or one with
// holes, is read once more after it (Series.Sum).
//
// # What reaches the disk
//
// Files are not synced one by one. A pass with Durable set syncs the copy's
// file system once, before it writes the index. A pass without it (the one
// under the lock) notes the boot it ran in: while the machine is up, readers get
// the content from the page cache whether or not it has reached the disk, and
// after a reboot the index is not believed, so that whatever a power cut may
// have torn is compared and replaced.
//
// # What is left out
//
// Sockets, which belong to a process. Access times. The package does not decide
// what to exclude and knows nothing of Bitbucket. It needs a unix; elsewhere
// Sync returns errors.ErrUnsupported.
package treesync

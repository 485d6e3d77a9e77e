package treesync

import "time"

// Ledger is the index of a copy that another program writes, such as rsync: what
// a stat of the copy itself said of every entry, and the digest of its content
// when it was read. Whatever changes an entry later changes its ctime, so that
// what still has the same stat need not be read again.
//
// The index is replaced only by the next one. What the program wrote since
// differs from it, and is only believed because the program said that it wrote it.
type Ledger struct {
	// Source is the folder that the copy is of, for the index; it is not looked at.
	Source string
	// Copy is a folder, and Index the file that remembers it.
	Copy, Index string
	// Workers is how many folders are worked on at a time.
	Workers int
}

// Comparison is what may be believed of a copy before anything is written to it.
type Comparison struct {
	// Indexed: there is an index that can be believed.
	Indexed bool
	// Unknown: there is a copy without such an index. All of it must be compared
	// with the source.
	Unknown bool
	// Suspects are entries, but no folders, by their path in the copy, that are not as the index
	// says, or not in it. Size and time do not vouch for them.
	Suspects []string
	// Folders of the copy that the index does not have.
	Folders []string
}

// Written says which entries of a copy may have changed since its last index.
type Written struct {
	// By reports whether the program wrote the entry, or removed it; nil if all may
	// have been written.
	By func(rel string) bool
	// Folders are those with such entries, and those that the index does not have; nil if
	// all may be. In the others everything is as the index says, or the reader of the
	// copy finds that it is not.
	Folders []string
	// Until is when the program had written everything, by the clock of the copy's
	// file system; zero if it still may.
	Until time.Time
}

// Alien is an entry of the copy that something else than the program changed.
type Alien struct {
	// Name is its path in the copy; "" is the copy itself.
	Name string
	// How it differs, as in "has other content".
	How string
}

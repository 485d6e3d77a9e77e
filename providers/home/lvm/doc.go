// Package lvm is the strategy home "lvm": snapshots of the logical volumes that a home
// and its data stores lie on, classic ones or those of a thin pool.
//
// The volumes are found from the mounts. LVM has no group: each volume is one call,
// one after the other inside the lock. A thin snapshot is activated after the unlock.
//
// A classic snapshot has little space of its own. When what changes meanwhile does not
// fit, it is invalid from then on. LVM's own watcher would unmount it, and what reads it
// by its path would see an empty folder; so it is not watched, reading it fails, and
// its state is looked at after every copy. Such a backup is lost.
//
// See internal/snapshot for the rest.
package lvm

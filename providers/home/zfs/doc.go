// Package zfs is the strategy home "zfs": snapshots of the datasets that a home and
// its data stores lie on.
//
// The datasets are found from the mounts: that of the path, those of the data stores
// and those mounted inside, for a child dataset is an empty folder in its parent's
// snapshot. All members of a pool are captured by one call, which is one
// transaction group; that is checked. Different pools are captured one after the
// other, and the plan says so.
//
// Snapshots are found by their properties. A kept one is held, so that nobody removes
// it unawares. See internal/snapshot for the rest.
package zfs

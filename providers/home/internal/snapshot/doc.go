// Package snapshot is what homes have in common that are captured by snapshots
// of the storage they lie on: btrfs, ZFS, LVM. A storage implements Storage,
// which knows nothing of homes and backups; Home is the strategy on it.
//
// The folders of a home, its data stores, what is mounted inside and what the
// storage nests in it each lie on a volume. The volumes of a home are its group:
// they are captured together, each once. Under the lock only Storage.Take is
// called; what is slow comes before or after.
//
// After the unlock a view is made of the snapshots: each is mounted read-only
// below the component's work folder, and what was mounted inside the home is
// bound to its place, so that an archive reads the home as it was, with the
// home's rules of what to leave out. The view ends with the run. Then the
// snapshots go, unless archive "snapshots" keeps them.
//
// Whose a snapshot is, and of what backup, says its Tag, which the storage has
// from before the snapshot is taken. Nothing is ever removed by its name.
package snapshot

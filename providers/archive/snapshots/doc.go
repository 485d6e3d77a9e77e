// Package snapshots is the strategy archive "snapshots": native snapshots stay
// where they are, and the storage keeps them until retention removes them.
//
// It stores nothing itself. Each strategy of the instance that can keep what it
// captured (providers.Keeper) tags it with the manifest, and what the storages
// have is the list of backups. A backup whose part one storage lacks is a
// finding, and is not on the list.
package snapshots

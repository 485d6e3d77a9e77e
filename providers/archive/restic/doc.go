// Package restic is the strategy archive "restic": backups in a repository of
// restic, through its own program.
//
// In the repository a backup is these snapshots, all with the tags bkp, bkp:ID and
// bkp:by:HOLDER, which says whose it is:
//
//	bkp:reserved    while the id is taken, until the backup is complete
//	bkp:record      what is known before anything is stored: /record.json
//	bkp:part:NAME   one tree of an artifact, with bkp:place:PLACE
//	bkp:manifest    the manifest, written last: /manifest.json
//
// A backup whose manifest is there is complete. The root of a part's snapshot is the
// root of the tree, wherever that lay: restic finds what it knows of a file by its
// name, and `restic restore` brings it back to any place. What the root itself
// carries (owner, mode, times, attributes) no snapshot of its content holds, so it
// stands in record and manifest.
//
// # What is stored is what was recorded
//
// restic skips files that are as they were at the last backup: same times, size and
// inode. These were compared with their record when they were read. The others are
// read a second time after restic, and compared; beside that, `restic ls` has to list
// exactly the entries that the tree has. Reading all of the tree would cost what an
// incremental backup saves: an hour for each terabyte or so. See compare.go.
//
// A rule of what to leave out never reaches restic: its patterns differ. It gets the
// paths that our rules match, one by one.
//
// The package leaves out retention, which is the engine's: it forgets the snapshots
// that it is asked to, by their ids.
package restic

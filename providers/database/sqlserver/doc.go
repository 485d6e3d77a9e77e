// Package sqlserver is the strategy database "sqlserver", for Microsoft SQL Server.
//
// The server writes its backups itself, into a folder of its own disk, from which bkp takes
// them. A full backup is made live; under the lock only what changed since then is backed up,
// a differential backup, which holds the state at its end and so has to end there.
//
// # The pair
//
// A differential backup builds on the last full one that is not copy-only, no
// matter who made it. If somebody else makes one in between, ours cannot be restored on ours. The server says
// which full backup the next differential one will build on; that is looked at right before
// the lock, and of the finished differential backup its history says on which one it was
// built.
//
// # What was weighed
//
// The snapshots that SQL Server 2022 can suspend itself for would need the home's snapshot
// between two statements to the server; captures of a run are made at the same time. A
// volume that holds both is rare, for a database has a machine of its own.
//
// A file is read where this machine sees it, and moved into a folder of its own beside: that
// takes no space a second time, and the server's account need not write anywhere else. For a
// restore it is linked to beside that folder and given to the owner of the folder of backups,
// because the server must read it.
//
// Nothing of this was tried with SQL Server itself, only with a stand-in that speaks its
// protocol (internal/lab/sqlserver).
package sqlserver

// Package rds is what databases of Amazon RDS have in common, be they instances or
// clusters of Aurora: captured as a point in time of their own log, or as a snapshot.
//
// With a point in time nothing is asked of the database under the lock: a time is
// chosen by Amazon's clock, and the lock is held until it is past, by a margin on both sides for
// clocks that differ. After the unlock the run waits until the database can be restored to
// it. What is kept is a tag of the database, and it ends with the retention of RDS.
//
// Of a snapshot Amazon does not say of what instant it is. The lock is held until the
// database was seen to be backed up and to be available again, or the snapshot is
// complete.
//
// A restore makes a new database. The live one is never renamed and never touched. If the
// snapshot is gone, it is copied back from where archive "aws_snapshots" has a copy.
package rds

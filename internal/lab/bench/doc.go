// Command bench measures bkp beside the ways in which people back up Bitbucket
// today, in one run, on one machine and on the same data, and prints ratios:
// figures of a shared machine say little by themselves.
//
//	bench [run]    whole backups of a sandbox under load: the lock window, and what it grows with
//	bench passes   the mirror's passes and the archive, beside rsync and tar
//	bench tracked  the pass under the lock over very many files with few changes
//	bench archives archives of each kind side by side: three nights and a restore
//
// Everything that is measured is a process of its own, started by a small one
// (measure.go) whose memory is not counted with it. After every backup its
// restore is proven consistent. What a run started is stopped and what it made
// is removed, however it ends.
//
// It leaves out absolute judgements: docs/performance.md says what the figures
// mean.
package main

// Package aws stands in for Amazon in tests: the calls of EC2, RDS and STS that bkp
// makes, and the metadata of a machine (IMDSv2). It starts in the test's own process
// within milliseconds.
//
// Volumes are real files on loop devices: a snapshot has the bytes of the instant at
// which it was asked for, and a volume that is made from it can be mounted. The kernel's
// list of block devices, in which bkp looks for serial numbers, is a folder of the test
// (World.Sysfs).
//
// It does what other stand-ins lack: snapshots are pending for a while, and may end as an
// error; the latest restorable time of a database is in arrears; state belongs to an account and
// a region; there are rights (Deny), dry runs, throttling, replies that are lost after
// the effect (Disturb), keys that expire, and looks that do not show what was just made (Lag). Time passes by polls: each look at something that is
// not finished advances the clock of the world by Step, so that no test sleeps.
//
// What it does not prove: the real consistency of a snapshot, IAM's evaluation of
// policies, KMS, quotas, and that the calls mean to Amazon what they mean here.
package aws
